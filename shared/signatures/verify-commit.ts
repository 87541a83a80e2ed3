import { asText, checkSigned, type SignedObject, type Signer } from './check-signed.ts';
import { malformed, SignatureError } from './errors.ts';
import { SKEW_MS } from './openpgp/check.ts';
import type { Signers } from './signers.ts';

/** A commit as its signer saw it, and the signature that was put into it. */
interface SignedCommit extends SignedObject {
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

/**
 * Checks the signature of a raw commit object. A key is judged by the commit's own time, as git
 * does it for SSH: an old commit stays good when its key expires. The time must not lie in the
 * future.
 *
 * @param data the object without its header; its id is the caller's to check
 * @throws SignatureError
 */
export const verifyCommit = (data: Uint8Array, signers: Signers, now: Date): Signer => {
  const commit = splitSignedCommit(data);
  const signer = checkSigned(commit, signers, { committed: commit.committed, now });
  if (commit.committed.getTime() > now.getTime() + SKEW_MS)
    throw new SignatureError('commit-in-future', `the commit is of ${commit.committed.toISOString()}, which is in the future`);
  return signer;
};
