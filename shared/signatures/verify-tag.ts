import { asText, checkSigned, type SignedObject, type Signer } from './check-signed.ts';
import { malformed, SignatureError } from './errors.ts';
import type { Signers } from './signers.ts';

/** Annotated tag of a commit whose signature is not checked yet. */
export interface SignedTag extends SignedObject {
  readonly name: string;
  /** Id of the tagged commit. */
  readonly commit: string;
  /** Time in the tag itself, which is part of the signed data. */
  readonly tagged: Date;
}

/** Headers exactly as `git tag` writes them. */
const HEADERS = /^object ([0-9a-f]{40})\ntype commit\ntag ([\x21-\x7e]{1,512})\ntagger [^\n\0]*> (\d{1,12}) [+-]\d{4}\n\n/;
const BEGIN = /^-----BEGIN /gm;

/**
 * Splits a raw tag object. Its signature is at the end of its message
 * (https://git-scm.com/docs/gitformat-signature).
 *
 * @param data object without its header
 * @throws SignatureError `unsigned`, `signature-malformed`
 */
export const parseTag = (data: Uint8Array): SignedTag => {
  const text = Buffer.from(data).toString('latin1');
  const headers = HEADERS.exec(text);
  if (headers === null) throw malformed('it is no annotated tag of a commit, as git tag makes it');
  const [whole, commit = '', name = '', seconds] = headers;
  const begins = [...text.matchAll(BEGIN)].map(({ index }) => index);
  const [at] = begins;
  if (at === undefined) throw new SignatureError('unsigned', 'the tag is not signed');
  if (begins.length > 1 || at < whole.length) throw malformed('the tag has more than one signature');
  const payload = Buffer.from(text.slice(0, at), 'latin1');
  return { name, commit, tagged: new Date(Number(seconds) * 1000), payload, signature: asText(text.slice(at)) };
};

/**
 * Checks the signature of a tag. The key must be valid now: signatures by a removed key are not
 * accepted.
 *
 * @throws SignatureError
 */
export const verifyTag = (tag: SignedTag, signers: Signers, now: Date): Signer => checkSigned(tag, signers, { committed: now, now });
