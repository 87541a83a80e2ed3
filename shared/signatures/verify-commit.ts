import { SignatureError, unsupported } from './errors.ts';
import { PGP_SIGNATURE } from './openpgp/armor.ts';
import { checkPgpSignature, SKEW_MS, type Times } from './openpgp/check.ts';
import { type SignedCommit, splitSignedCommit } from './signed-commit.ts';
import type { Signers } from './signers.ts';
import { findAllowedSigner, GIT_NAMESPACE } from './ssh/allowed-signers.ts';
import { checkSshSignature, parseSshSignature, SSH_SIGNATURE } from './ssh/sshsig.ts';

/** Signer of a commit. */
export interface CommitSigner {
  /** Name in the signers' file: principals, or a user id. */
  readonly name: string;
  /** `SHA256:…` of an SSH key, 40 hexadecimal digits of an OpenPGP key. */
  readonly fingerprint: string;
}

const checkSsh = ({ signature, payload, committed }: SignedCommit, signers: Signers): CommitSigner => {
  const parsed = parseSshSignature(signature);
  if (parsed.namespace !== GIT_NAMESPACE)
    throw new SignatureError('signature-invalid', 'the SSH signature was made for another purpose than Git (its namespace)');
  const allowed = findAllowedSigner(signers.ssh, parsed.fingerprint, committed);
  checkSshSignature(parsed, payload);
  return { name: allowed.principals, fingerprint: parsed.fingerprint };
};

const checkPgp = ({ signature, payload }: SignedCommit, signers: Signers, times: Times): CommitSigner => {
  const { key, owner } = checkPgpSignature(signature, payload, signers.openpgp, times);
  return { name: owner, fingerprint: key.fingerprint };
};

const checkByKind = (commit: SignedCommit, signers: Signers, times: Times): CommitSigner => {
  if (commit.signature.startsWith(`-----BEGIN ${SSH_SIGNATURE}-----`)) return checkSsh(commit, signers);
  if (commit.signature.startsWith(`-----BEGIN ${PGP_SIGNATURE}-----`)) return checkPgp(commit, signers, times);
  throw unsupported('the commit is signed in another way than with SSH or OpenPGP');
};

/**
 * Checks the signature of a raw commit object. A key is judged by the commit's own time, as git
 * does it for SSH: an old commit stays good when its key expires. The time must not lie in the
 * future.
 *
 * @param data the object without its header; its id is the caller's to check
 * @throws SignatureError
 */
export const verifyCommit = (data: Uint8Array, signers: Signers, now: Date): CommitSigner => {
  const commit = splitSignedCommit(data);
  const signer = checkByKind(commit, signers, { committed: commit.committed, now });
  if (commit.committed.getTime() > now.getTime() + SKEW_MS)
    throw new SignatureError('commit-in-future', `the commit is of ${commit.committed.toISOString()}, which is in the future`);
  return signer;
};
