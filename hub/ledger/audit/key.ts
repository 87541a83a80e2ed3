import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID, sign, verify } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Checkpoint, checkpointText } from '@fso/shared/protocol';
import { messageOf, readIfThere, syncFolder, writeDurably } from '@fso/shared/runtime';
import { LedgerError } from '../types.ts';

/** The hub's own key for checkpoints of its audit log. */
export interface AuditKey {
  /** Public key as checkpoints name it. */
  readonly id: string;
  sign(checkpoint: Pick<Checkpoint, 'sequence' | 'hash' | 'time'>): Checkpoint;
  /** @param digest of the backup, SHA-256 in hex @returns base64url */
  signBackup(digest: string): string;
}

/** Returns the text that is signed for a backup. No text of a checkpoint begins like it. */
const backupText = (digest: string): Buffer => Buffer.from(`fso-ledger-backup-v1\n${digest}\n`);

/** Whether a key, as checkpoints name it, has signed a backup. Never throws. */
export const hasSignedBackup = (key: string, digest: string, signature: string): boolean => {
  try {
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key }, format: 'jwk' });
    return verify(null, backupText(digest), publicKey, Buffer.from(signature, 'base64url'));
  } catch {
    return false;
  }
};

const keyOf = (key: KeyObject): AuditKey => {
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  if (key.asymmetricKeyType !== 'ed25519' || x === undefined) throw new Error('it is not an Ed25519 key');
  return {
    id: x,
    sign: ({ sequence, hash, time }) => ({
      sequence,
      hash,
      time,
      key: x,
      signature: sign(null, Buffer.from(checkpointText({ sequence, hash, time })), key).toString('base64url'),
    }),
    signBackup: (digest) => sign(null, backupText(digest), key).toString('base64url'),
  };
};

/** A key that lasts as long as the process. */
export const createAuditKey = (): AuditKey => keyOf(generateKeyPairSync('ed25519').privateKey);

/** Codes of file systems without hard links, such as some network shares. */
const NO_LINKS = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'];

const codeOf = (error: unknown): string => String(Reflect.get(Object(error), 'code'));

/**
 * Gives a file its name, unless another one has it, where there are no links. A rename alone could replace the key of a hub that starts at
 * the same time, so that one at a time may do it.
 *
 * @throws Error where another start is at it, or was cut off there
 */
export const publishWithoutLinks = async (draft: string, path: string): Promise<void> => {
  const claim = `${path}.claim`;
  const file = await open(claim, 'wx').catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error;
    throw new Error(`another hub makes it now, or was cut off while it did: start again, and remove ${claim} if it stays`);
  });
  try {
    if ((await readIfThere(path)) === undefined) await rename(draft, path);
  } finally {
    await file.close();
    await rm(claim);
  }
};

/** Gives a file its name, unless another one has it. */
const publish = async (draft: string, path: string): Promise<void> => {
  try {
    await link(draft, path);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST') return;
    if (!NO_LINKS.includes(code)) throw error;
    await publishWithoutLinks(draft, path);
  }
};

/** A new private key, as its file has it. */
export const makeAuditKeyPem = (): string => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

/** The file appears whole and is never replaced: of two hubs that start at once both get the key of one. */
const make = async (path: string): Promise<string> => {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeDurably(draft, makeAuditKeyPem());
    await publish(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
  await syncFolder(dirname(path));
  return readFile(path, 'utf8');
};

/**
 * Reads the key, PEM of a PKCS #8 private key, or makes one where there is no file.
 *
 * @throws LedgerError that says what is wrong with the file
 */
export const loadAuditKey = async (path: string): Promise<AuditKey> => {
  try {
    const pem = await readFile(path, 'utf8').catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return make(path);
      throw error;
    });
    return keyOf(createPrivateKey(pem));
  } catch (error) {
    const reason = messageOf(error);
    throw new LedgerError(
      `the audit key ${path} cannot be used: ${reason}. It is the PEM of an Ed25519 private key (openssl genpkey -algorithm ed25519)`,
    );
  }
};
