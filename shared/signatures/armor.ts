import { malformed } from './errors.ts';

const BASE64_LINE = /^[A-Za-z0-9+/]{1,76}={0,2}$/;
const MAX_LINES = 4096;

/** Strict: a decoder that skips what it does not know reads something else than the next one. */
export const decodeBase64 = (lines: readonly string[], what: string): Buffer => {
  if (lines.length === 0 || lines.length > MAX_LINES) throw malformed(`${what} has ${lines.length} lines`);
  const bad = lines.find((line) => !BASE64_LINE.test(line));
  if (bad !== undefined) throw malformed(`${what} has a line that is not base64`);
  const text = lines.join('');
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw malformed(`${what} is not proper base64`);
  return bytes;
};

/** Lines without the spaces at their end, and without empty lines at the end of the text. */
export const linesOf = (text: string): readonly string[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.trimEnd());

/**
 * The lines between a begin and an end marker that must be the first and the last line. @throws
 * SignatureError
 */
export const betweenMarkers = (text: string, name: string): readonly string[] => {
  const lines = linesOf(text);
  if (lines[0] !== `-----BEGIN ${name}-----`) throw malformed(`the signature does not begin with "-----BEGIN ${name}-----"`);
  if (lines.length < 2 || lines.at(-1) !== `-----END ${name}-----`)
    throw malformed(`the signature does not end with "-----END ${name}-----"`);
  return lines.slice(1, -1);
};
