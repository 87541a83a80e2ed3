import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID, sign, verify } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Checkpoint, checkpointText } from '@fso/shared/protocol';
import { messageOf, readIfThere, syncFolder, writeDurably } from '@fso/shared/runtime';
import { LedgerError } from '../types.ts';

/** Key with which the hub signs checkpoints of its audit log. */
export interface AuditKey {
  /** Public key in the form that checkpoints contain. */
  readonly id: string;
  sign(checkpoint: Pick<Checkpoint, 'sequence' | 'hash' | 'time'>): Checkpoint;
  /** @param digest SHA-256 of the backup, hex @returns signature, base64url */
  signBackup(digest: string): string;
}

/** Returns the text to sign for a backup. Its prefix differs from that of a checkpoint. */
const backupText = (digest: string): Buffer => Buffer.from(`fso-ledger-backup-v1\n${digest}\n`);

/**
 * Whether a key signed a backup. Never throws.
 *
 * @param key public key in the form that checkpoints contain
 */
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

/** Creates a key that exists only in memory. */
export const createAuditKey = (): AuditKey => keyOf(generateKeyPairSync('ed25519').privateKey);

/** Error codes of file systems without hard links, such as some network shares. */
const NO_LINKS = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'];

const codeOf = (error: unknown): string => String(Reflect.get(Object(error), 'code'));

/**
 * Renames a file without replacing an existing one, on file systems without hard links. A rename
 * alone could replace the key of a hub that starts at the same time, so a claim file lets only one
 * hub do it.
 *
 * @throws Error if another hub holds the claim, or was killed while it did
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

/** Gives a file its final name, unless that name exists. */
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

/** Creates a private key as PEM. */
export const makeAuditKeyPem = (): string => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

/**
 * Creates the key file atomically and never replaces one. Two hubs that start at once get the same
 * key.
 */
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
 * Reads the key, a PKCS #8 private key in PEM, or creates the file if it is missing.
 *
 * @throws LedgerError whose message says what is wrong with the file
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
