import { malformed, SignatureError, unsupported } from './errors.ts';
import { PGP_SIGNATURE } from './openpgp/armor.ts';
import { checkPgpSignature, type Times } from './openpgp/check.ts';
import type { Signers } from './signers.ts';
import { findAllowedSigner, GIT_NAMESPACE, principalsOf } from './ssh/allowed-signers.ts';
import { checkSshSignature, parseSshSignature, SSH_SIGNATURE } from './ssh/sshsig.ts';

/** Git object as its signer saw it, with the signature that was added to it. */
export interface SignedObject {
  /** Object without its signature: the signed bytes. */
  readonly payload: Buffer;
  /** ASCII-armoured signature. */
  readonly signature: string;
}

/** Signer of a commit or tag. */
export interface Signer {
  /** Name in the file of signers: principals, or a user id. */
  readonly name: string;
  /** `SHA256:…` of an SSH key, 40 hexadecimal digits of an OpenPGP key. */
  readonly fingerprint: string;
  /**
   * Names by which a strategy may refer to the signer: principals, or the fingerprint of the
   * primary key.
   */
  readonly principals: readonly string[];
  /**
   * Names by which keys are recognized as those of one person, in lower case: fingerprint and
   * principals of every line with the key; primary key and address of an OpenPGP key.
   */
  readonly aliases: readonly string[];
}

/**
 * Decodes the text of a signature.
 *
 * @throws SignatureError for characters that no signature has
 */
export const asText = (latin1: string): string => {
  if (/[^\n\r\t\x20-\x7e]/.test(latin1)) throw malformed('the signature has characters that no signature has');
  return latin1;
};

const ADDRESS = /<([^<>\s]+)>$/;

/**
 * Names of a key, see {@link Signer.aliases}. Empty if it belongs to none of these signers. Whether
 * it may sign now is not checked.
 */
export const aliasesOf = ({ ssh, openpgp }: Signers, fingerprint: string): readonly string[] => {
  const lines = ssh.filter((line) => line.fingerprint === fingerprint);
  const keys = openpgp.filter(({ key }) => key.fingerprint === fingerprint);
  const names = [
    ...lines.flatMap((line) => [fingerprint, ...principalsOf(line)]),
    ...keys.flatMap(({ primary, owner }) => [primary, ...(ADDRESS.exec(owner)?.slice(1) ?? [])]),
  ];
  return [...new Set(names.map((name) => name.toLowerCase()))];
};

const checkSsh = ({ signature, payload }: SignedObject, signers: Signers, { committed }: Times): Signer => {
  const parsed = parseSshSignature(signature);
  const { fingerprint } = parsed;
  if (parsed.namespace !== GIT_NAMESPACE)
    throw new SignatureError('signature-invalid', 'the SSH signature was made for another purpose than Git (its namespace)');
  const allowed = findAllowedSigner(signers.ssh, fingerprint, committed);
  checkSshSignature(parsed, payload);
  return { name: allowed.principals, fingerprint, principals: principalsOf(allowed), aliases: aliasesOf(signers, fingerprint) };
};

const checkPgp = ({ signature, payload }: SignedObject, signers: Signers, times: Times): Signer => {
  const { key, primary, owner } = checkPgpSignature(signature, payload, signers.openpgp, times);
  const { fingerprint } = key;
  return { name: owner, fingerprint, principals: [primary], aliases: aliasesOf(signers, fingerprint) };
};

/**
 * Checks the signature of an object.
 *
 * @param times times at which the key must be valid, and at which the signature is read
 * @throws SignatureError
 */
export const checkSigned = (object: SignedObject, signers: Signers, times: Times): Signer => {
  if (object.signature.startsWith(`-----BEGIN ${SSH_SIGNATURE}-----`)) return checkSsh(object, signers, times);
  if (object.signature.startsWith(`-----BEGIN ${PGP_SIGNATURE}-----`)) return checkPgp(object, signers, times);
  throw unsupported('it is signed in another way than with SSH or OpenPGP');
};

/** Fingerprints of the signers' keys that belong to these principals. */
export const keysOf = ({ ssh, openpgp }: Signers, principals: readonly string[]): readonly string[] => {
  const lines = ssh.filter((line) => line.forGit && principalsOf(line).some((name) => principals.includes(name)));
  const keys = openpgp.filter(({ primary, refused }) => refused === undefined && principals.includes(primary));
  return [...lines.map(({ fingerprint }) => fingerprint), ...keys.map(({ key }) => key.fingerprint)];
};
