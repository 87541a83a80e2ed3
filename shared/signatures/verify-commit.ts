import { malformed, SignatureError, unsupported } from './errors.ts';
import { PGP_SIGNATURE } from './openpgp/armor.ts';
import { checkPgpSignature, SKEW_MS, type Times } from './openpgp/check.ts';
import type { Signers } from './signers.ts';
import { findAllowedSigner, GIT_NAMESPACE } from './ssh/allowed-signers.ts';
import { checkSshSignature, parseSshSignature, SSH_SIGNATURE } from './ssh/sshsig.ts';

/** A commit as its signer saw it, and the signature that was put into it. */
interface SignedCommit {
  /** The commit without its signature: the bytes that were signed. */
  readonly payload: Buffer;
  /** Armoured. */
  readonly signature: string;
  /** Time by the commit itself; part of what was signed. */
  readonly committed: Date;
}

const HEADER = 'gpgsig';
const COMMITTER = /^committer [^\n]*> (\d{1,12}) [+-]\d{4}$/;

/**
 * Lines of the headers with their line ends, and the offset where the empty line begins. Bytes are
 * kept as latin1.
 */
const splitHeaders = (text: string): { lines: readonly string[]; body: string } => {
  const end = text.indexOf('\n\n');
  if (end < 0) throw malformed('the commit has no end of its headers');
  if (text.lastIndexOf('\0', end) >= 0) throw malformed('the commit has a NUL byte in its headers');
  return { lines: text.slice(0, end).split('\n'), body: text.slice(end + 1) };
};

/** Index after the last continuation line of the header that stands at `start`. */
const endOfHeader = (lines: readonly string[], start: number): number => {
  let end = start + 1;
  while (lines[end]?.startsWith(' ')) end += 1;
  return end;
};

const commitTime = (lines: readonly string[]): Date => {
  const committers = lines.filter((line) => line.startsWith('committer '));
  const seconds = COMMITTER.exec(committers[0] ?? '')?.[1];
  if (committers.length !== 1 || seconds === undefined) throw malformed('the commit does not have one committer with a time');
  return new Date(Number(seconds) * 1000);
};

/**
 * Takes a raw commit object apart: only the header `gpgsig` with its continuation lines is removed,
 * every other byte is what was signed (https://git-scm.com/docs/gitformat-signature). Two
 * signatures, or one of another object format beside it, are refused: readers disagree on what such
 * a signature covers.
 *
 * @throws SignatureError `unsigned`, `signature-malformed`
 */
const splitSignedCommit = (data: Uint8Array): SignedCommit => {
  const text = Buffer.from(data).toString('latin1');
  const { lines, body } = splitHeaders(text);
  const at = lines.flatMap((line, index) => (line.startsWith(HEADER) ? [index] : []));
  const [start] = at;
  if (start === undefined) throw new SignatureError('unsigned', 'the commit is not signed');
  if (at.length > 1 || !lines[start]?.startsWith(`${HEADER} `))
    throw malformed('the commit has more than one signature, or one of another kind');
  const end = endOfHeader(lines, start);
  const signature = lines.slice(start, end).map((line, index) => line.slice(index === 0 ? HEADER.length + 1 : 1));
  const signed = [...lines.slice(0, start), ...lines.slice(end)];
  return {
    payload: Buffer.from(`${signed.join('\n')}\n${body}`, 'latin1'),
    signature: `${asText(signature.join('\n'))}\n`,
    committed: commitTime(signed),
  };
};

const asText = (latin1: string): string => {
  if (/[^\n\r\t\x20-\x7e]/.test(latin1)) throw malformed('the signature has characters that no signature has');
  return latin1;
};

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
