import { asText, checkSigned, type SignedObject, type Signer } from './check-signed.ts';
import { malformed, SignatureError } from './errors.ts';
import { SKEW_MS } from './openpgp/check.ts';
import type { Signers } from './signers.ts';

/** Commit as its signer saw it, with the signature that was added to it. */
interface SignedCommit extends SignedObject {
  /** Time in the commit itself, which is part of the signed data. */
  readonly committed: Date;
}

const HEADER = 'gpgsig';
const COMMITTER = /^committer [^\n]*> (\d{1,12}) [+-]\d{4}$/;

/**
 * Splits a commit into header lines with their line ends, and the rest from the empty line on.
 * Bytes are kept as latin1.
 */
const splitHeaders = (text: string): { lines: readonly string[]; body: string } => {
  const end = text.indexOf('\n\n');
  if (end < 0) throw malformed('the commit has no end of its headers');
  if (text.lastIndexOf('\0', end) >= 0) throw malformed('the commit has a NUL byte in its headers');
  return { lines: text.slice(0, end).split('\n'), body: text.slice(end + 1) };
};

/** Index after the last continuation line of the header at `start`. */
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
 * Splits a raw commit object into payload and signature. Only the header `gpgsig` with its
 * continuation lines is removed; every other byte was signed
 * (https://git-scm.com/docs/gitformat-signature). Two signatures, or an additional one of another
 * object format, are refused, because readers disagree on what such a signature covers.
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

/**
 * Checks the signature of a raw commit object. The key must be valid at the commit's own time, as
 * in Git for SSH: an old commit stays valid when its key expires. The time must not lie in the
 * future.
 *
 * @param data object without its header; the caller checks its id
 * @throws SignatureError
 */
export const verifyCommit = (data: Uint8Array, signers: Signers, now: Date): Signer => {
  const commit = splitSignedCommit(data);
  const signer = checkSigned(commit, signers, { committed: commit.committed, now });
  if (commit.committed.getTime() > now.getTime() + SKEW_MS)
    throw new SignatureError('commit-in-future', `the commit is of ${commit.committed.toISOString()}, which is in the future`);
  return signer;
};
