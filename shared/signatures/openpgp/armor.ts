import { betweenMarkers, decodeBase64, linesOf } from '../armor.ts';
import { malformed } from '../errors.ts';

/** ASCII armour (RFC 9580 section 6). */

/** Label of an armored OpenPGP signature, as in `BEGIN PGP SIGNATURE`. */
export const PGP_SIGNATURE = 'PGP SIGNATURE';
const PGP_PUBLIC_KEY = 'PGP PUBLIC KEY BLOCK';
const ARMOR_HEADER = /^[A-Za-z][A-Za-z0-9-]*: /;
const CHECKSUM = /^=[A-Za-z0-9+/]{4}$/;
const CRC24_INIT = 0xb704ce;
const CRC24_POLYNOMIAL = 0x1864cfb;

const crc24 = (bytes: Uint8Array): number => {
  let crc = CRC24_INIT;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit += 1) {
      crc <<= 1;
      if ((crc & 0x1000000) !== 0) crc ^= CRC24_POLYNOMIAL;
    }
  }
  return crc & 0xffffff;
};

/** Decodes headers, an empty line, base64, and a checksum that may be absent but not wrong. */
const decodeBody = (lines: readonly string[], what: string): Buffer => {
  const empty = lines.indexOf('');
  if (empty < 0) throw malformed(`${what} has no empty line before its data`);
  if (!lines.slice(0, empty).every((line) => ARMOR_HEADER.test(line))) throw malformed(`${what} has a header that is none`);
  const data = lines.slice(empty + 1);
  const last = data.at(-1) ?? '';
  if (!CHECKSUM.test(last)) return decodeBase64(data, what);
  const bytes = decodeBase64(data.slice(0, -1), what);
  if (Buffer.from(last.slice(1), 'base64').readUIntBE(0, 3) !== crc24(bytes)) throw malformed(`the checksum of ${what} is wrong`);
  return bytes;
};

/** Reads the bytes of an armored OpenPGP signature. @throws SignatureError */
export const dearmorSignature = (text: string): Buffer => decodeBody(betweenMarkers(text, PGP_SIGNATURE), 'the OpenPGP signature');

const [BEGIN_KEYS, END_KEYS] = [`-----BEGIN ${PGP_PUBLIC_KEY}-----`, `-----END ${PGP_PUBLIC_KEY}-----`];

/**
 * Decodes any number of blocks of public keys, between which only empty lines and comments (`#`)
 * are allowed.
 *
 * @throws SignatureError
 */
export const dearmorKeys = (text: string): readonly Buffer[] => {
  const blocks: Buffer[] = [];
  const lines = linesOf(text);
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (line === '' || line.startsWith('#')) continue;
    if (line !== BEGIN_KEYS) throw malformed(`the keyring has a line outside of a "${BEGIN_KEYS}" block`);
    const end = lines.indexOf(END_KEYS, at);
    if (end < 0) throw malformed(`the keyring has a block without "${END_KEYS}"`);
    blocks.push(decodeBody(lines.slice(at + 1, end), 'the keyring'));
    at = end;
  }
  return blocks;
};
