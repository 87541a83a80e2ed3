import { ByteReader } from '../byte-reader.ts';
import { malformed } from '../errors.ts';

/** Packets (RFC 9580 sections 4 and 5), as needed for verification. */

/** An OpenPGP packet (RFC 9580): its type and content. */
export interface Packet {
  readonly tag: number;
  readonly body: Buffer;
}

/** Types of OpenPGP packets (RFC 9580, section 5). */
export const TAGS = {
  signature: 2,
  secretKey: 5,
  publicKey: 6,
  secretSubkey: 7,
  marker: 10,
  trust: 12,
  userId: 13,
  publicSubkey: 14,
  userAttribute: 17,
} as const;

/** Reads a length of one, two or five octets. Partial lengths occur only in data packets. */
const newLength = (reader: ByteReader): number => {
  const first = reader.uint8();
  if (first < 192) return first;
  if (first < 224) return ((first - 192) << 8) + reader.uint8() + 192;
  if (first === 255) return reader.uint32();
  throw malformed('an OpenPGP packet has a partial length');
};

const oldLength = (reader: ByteReader, lengthType: number): number => {
  if (lengthType === 0) return reader.uint8();
  if (lengthType === 1) return reader.uint16();
  if (lengthType === 2) return reader.uint32();
  throw malformed('an OpenPGP packet has no length');
};

/** Splits binary OpenPGP data into packets. @throws SignatureError */
export const readPackets = (bytes: Uint8Array, what: string): readonly Packet[] => {
  const reader = new ByteReader(bytes, what);
  const packets: Packet[] = [];
  while (reader.left > 0) {
    const header = reader.uint8();
    if ((header & 0x80) === 0) throw malformed(`${what} has a packet that is none`);
    const isNew = (header & 0x40) !== 0;
    const tag = isNew ? header & 0x3f : (header >> 2) & 0x0f;
    packets.push({ tag, body: reader.take(isNew ? newLength(reader) : oldLength(reader, header & 0x03)) });
  }
  return packets;
};

/**
 * Reads a multiprecision integer. Its bit count must be exact, as a number could otherwise have
 * several forms.
 *
 * @returns bytes without leading zeros
 */
export const readMpi = (reader: ByteReader): Buffer => {
  const bits = reader.uint16();
  const bytes = reader.take(Math.ceil(bits / 8));
  if (bits === 0 || Math.clz32(bytes[0] ?? 0) - 24 !== bytes.length * 8 - bits)
    throw malformed('a number in OpenPGP data has a wrong length');
  return bytes;
};

/** Subpacket of an OpenPGP signature. Unknown critical ones invalidate the signature. */
export interface Subpacket {
  readonly type: number;
  readonly critical: boolean;
  readonly body: Buffer;
}

/** Splits the subpackets of a signature. @throws SignatureError */
export const readSubpackets = (bytes: Uint8Array): readonly Subpacket[] => {
  const reader = new ByteReader(bytes, 'the subpackets of an OpenPGP signature');
  const subpackets: Subpacket[] = [];
  while (reader.left > 0) {
    const content = new ByteReader(reader.take(subpacketLength(reader)), 'a subpacket');
    const type = content.uint8();
    subpackets.push({ type: type & 0x7f, critical: (type & 0x80) !== 0, body: content.rest() });
  }
  return subpackets;
};

/** Reads a length like that of packets, except that 224 to 254 are no partial lengths. */
const subpacketLength = (reader: ByteReader): number => {
  const first = reader.uint8();
  if (first < 192) return first;
  if (first < 255) return ((first - 192) << 8) + reader.uint8() + 192;
  return reader.uint32();
};
