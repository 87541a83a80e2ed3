import { createHash } from 'node:crypto';
import { SignersError } from './errors.ts';
import { parseKeyring, type SigningKey } from './openpgp/certificate.ts';
import { type AllowedSigner, parseAllowedSigners } from './ssh/allowed-signers.ts';

/** Contents of the files that define who may sign. */
export interface SignerFiles {
  /** OpenSSH allowed signers (ssh-keygen(1)). */
  readonly allowedSigners?: string | undefined;
  /** ASCII-armoured OpenPGP public keys. */
  readonly keyring?: string | undefined;
}

/** Keys that may sign commits. */
export interface Signers {
  readonly files: SignerFiles;
  readonly ssh: readonly AllowedSigner[];
  readonly openpgp: readonly SigningKey[];
  /** Digest of the files; equal for equal files. */
  readonly digest: string;
}

/** Largest size of one file, in bytes. Both must fit into what an agent stores in its cluster. */
export const MAX_SIGNERS_BYTES: number = 64 * 1024;

const checkSize = (text: string | undefined, what: string): void => {
  const bytes = Buffer.byteLength(text ?? '');
  if (bytes > MAX_SIGNERS_BYTES) throw new SignersError(`${what}: ${bytes} bytes, more than the ${MAX_SIGNERS_BYTES} that are accepted`);
};

/**
 * Parses the configured files of signers.
 *
 * @throws SignersError if a file cannot be used, or no key could sign
 */
export const parseSigners = (files: SignerFiles): Signers => {
  checkSize(files.allowedSigners, 'allowed signers');
  checkSize(files.keyring, 'keyring');
  const ssh = files.allowedSigners === undefined ? [] : parseAllowedSigners(files.allowedSigners);
  const openpgp = files.keyring === undefined ? [] : parseKeyring(files.keyring);
  const canSign = ssh.some(({ forGit }) => forGit) || openpgp.some(({ refused }) => refused === undefined);
  if (!canSign) throw new SignersError('the signers hold no key that may sign commits');
  const digest = createHash('sha256')
    .update(JSON.stringify([files.allowedSigners ?? null, files.keyring ?? null]))
    .digest('hex');
  return { files, ssh, openpgp, digest };
};
