import { malformed } from './errors.ts';

const BASE64_LINE = /^[A-Za-z0-9+/]{1,76}={0,2}$/;
const MAX_LINES = 4096;

/**
 * Decodes base64 strictly: a decoder that skips unknown characters may read something else than
 * another one.
 */
export const decodeBase64 = (lines: readonly string[], what: string): Buffer => {
  if (lines.length === 0 || lines.length > MAX_LINES) throw malformed(`${what} has ${lines.length} lines`);
  const bad = lines.find((line) => !BASE64_LINE.test(line));
  if (bad !== undefined) throw malformed(`${what} has a line that is not base64`);
  const text = lines.join('');
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw malformed(`${what} is not proper base64`);
  return bytes;
};

/** Splits a text into lines without trailing spaces, and without empty lines at the end. */
export const linesOf = (text: string): readonly string[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.trimEnd());

/**
 * Returns the lines between a begin and an end marker, which must be the first and the last line.
 *
 * @throws SignatureError
 */
export const betweenMarkers = (text: string, name: string): readonly string[] => {
  const lines = linesOf(text);
  if (lines[0] !== `-----BEGIN ${name}-----`) throw malformed(`the signature does not begin with "-----BEGIN ${name}-----"`);
  if (lines.length < 2 || lines.at(-1) !== `-----END ${name}-----`)
    throw malformed(`the signature does not end with "-----END ${name}-----"`);
  return lines.slice(1, -1);
};
