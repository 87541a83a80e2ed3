import { createHash, type SignKeyObjectInput, verify } from 'node:crypto';
import { ByteReader } from '../byte-reader.ts';
import { malformed, unsupported } from '../errors.ts';
import { readMpi, readSubpackets, type Subpacket } from './packets.ts';
import { ALGORITHMS, type KeyMaterial, type PgpPublicKey } from './public-key.ts';

/** Signature packet, version 4 (RFC 9580 section 5.2.3). */
export interface PgpSignature {
  readonly type: number;
  readonly algorithm: number;
  readonly hash: Hash;
  readonly created: Date;
  /** Subpackets of the hashed part, which the signature protects. */
  readonly hashed: readonly Subpacket[];
  /** Unprotected subpackets, which anyone may have changed. */
  readonly unhashed: readonly Subpacket[];
  /** Bytes that are hashed after the signed data. */
  readonly trailer: Buffer;
  /** First two bytes of the hash. */
  readonly hashStart: Buffer;
  readonly value: Buffer;
}

type Hash = 'sha256' | 'sha384' | 'sha512';

/**
 * Codes of the types of OpenPGP signatures that are read: on texts, on user ids and on keys.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9580#section-5.2.1
 */
export const SIGNATURE_TYPES = {
  binary: 0x00,
  certifications: [0x10, 0x11, 0x12, 0x13],
  subkeyBinding: 0x18,
  primaryKeyBinding: 0x19,
  directKey: 0x1f,
  keyRevocation: 0x20,
  subkeyRevocation: 0x28,
  certificationRevocation: 0x30,
} as const;

/** Numbers of the signature subpackets that are read: RFC 9580 section 5.2.3.7. */
export const SUBPACKETS = {
  created: 2,
  signatureExpires: 3,
  keyExpires: 9,
  issuerKeyId: 16,
  keyFlags: 27,
  embeddedSignature: 32,
  issuerFingerprint: 33,
} as const;

/**
 * Types that a critical subpacket may have: those that are evaluated here, and those that do not
 * affect the validity of a signature.
 */
const UNDERSTOOD: ReadonlySet<number> = new Set([...Object.values(SUBPACKETS), 11, 21, 22, 23, 25, 28, 30, 34]);

const VERSION = 4;
/** Bytes of version, type, algorithm, hash algorithm, and length of the hashed subpackets. */
const HEAD_BYTES = 6;
const HASHES: Readonly<Record<number, Hash>> = { 8: 'sha256', 9: 'sha384', 10: 'sha512' };

/** Finds a subpacket that may occur once. */
export const findSubpacket = (subpackets: readonly Subpacket[], type: number): Buffer | undefined => {
  const found = subpackets.filter((subpacket) => subpacket.type === type);
  if (found.length > 1) throw malformed(`an OpenPGP signature has ${found.length} subpackets of type ${type}`);
  return found[0]?.body;
};

/** Reads the seconds of a subpacket; 0 means never. */
export const findSeconds = (subpackets: readonly Subpacket[], type: number): number => {
  const body = findSubpacket(subpackets, type);
  if (body === undefined) return 0;
  if (body.length !== 4) throw malformed(`a subpacket of type ${type} is no time`);
  return body.readUInt32BE();
};

const readParts = (reader: ByteReader): { head: Buffer; hashed: Buffer } => {
  const head = reader.take(HEAD_BYTES);
  return { head, hashed: reader.take(head.readUInt16BE(HEAD_BYTES - 2)) };
};

const checkCritical = (hashed: readonly Subpacket[]): void => {
  const unknown = hashed.find(({ critical, type }) => critical && !UNDERSTOOD.has(type));
  if (unknown !== undefined) throw unsupported(`the OpenPGP signature has a critical part of type ${unknown.type} that is not understood`);
};

/** Parses the content of a signature packet. @throws SignatureError */
export const parseSignature = (body: Buffer): PgpSignature => {
  if (body[0] !== VERSION) throw unsupported(`OpenPGP signatures of version ${body[0] ?? 'none'} are not accepted, only version 4`);
  const reader = new ByteReader(body, 'the OpenPGP signature');
  const { head, hashed: hashedBytes } = readParts(reader);
  const [, type = 0, algorithm = 0, hashId = 0] = head;
  const hash = HASHES[hashId];
  if (hash === undefined)
    throw unsupported(`the OpenPGP signature uses hash algorithm ${hashId}; SHA-256, SHA-384 and SHA-512 are accepted`);
  const hashed = readSubpackets(hashedBytes);
  const unhashed = readSubpackets(reader.take(reader.uint16()));
  checkCritical(hashed);
  if (findSubpacket(hashed, SUBPACKETS.created) === undefined) throw malformed('the OpenPGP signature does not say when it was made');
  const created = new Date(findSeconds(hashed, SUBPACKETS.created) * 1000);
  const signed = Buffer.concat([head, hashedBytes]);
  const end = Buffer.from([VERSION, 0xff, 0, 0, 0, 0]);
  end.writeUInt32BE(signed.length, 2);
  const hashStart = reader.take(2);
  return { type, algorithm, hash, created, hashed, unhashed, trailer: Buffer.concat([signed, end]), hashStart, value: reader.rest() };
};

const padded = (number: Buffer, length: number): Buffer => {
  if (number.length > length) throw malformed('a number of the OpenPGP signature is too long for its key');
  return Buffer.concat([Buffer.alloc(length - number.length), number]);
};

const twoNumbers = (value: Buffer, length: number): Buffer => {
  const reader = new ByteReader(value, 'the OpenPGP signature');
  const [r, s] = [readMpi(reader), readMpi(reader)];
  reader.end();
  return Buffer.concat([padded(r, length), padded(s, length)]);
};

const oneNumber = (value: Buffer, length: number): Buffer => {
  const reader = new ByteReader(value, 'the OpenPGP signature');
  const number = readMpi(reader);
  reader.end();
  return padded(number, length);
};

const ED25519_BYTES = 32;

/** @param data all hashed bytes */
const verifyValue = ({ hash, value }: PgpSignature, { key, scheme, curve }: KeyMaterial, data: Buffer): boolean => {
  // EdDSA in OpenPGP signs the hash, not the data (RFC 9580 section 5.2.3.3).
  const digest = (): Buffer => createHash(hash).update(data).digest();
  switch (scheme) {
    case 'rsa':
      return verify(hash, data, key, oneNumber(value, Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)));
    case 'ecdsa': {
      const input: SignKeyObjectInput = { key, dsaEncoding: 'ieee-p1363' };
      return verify(hash, data, input, twoNumbers(value, curve?.bytes ?? 0));
    }
    case 'eddsa-legacy':
      return verify(null, digest(), key, twoNumbers(value, ED25519_BYTES));
    case 'ed25519':
      return value.length === 2 * ED25519_BYTES && verify(null, digest(), key, value);
  }
};

/**
 * Whether signature and key have the same algorithm. RSA has two numbers that are equivalent for
 * signing.
 */
const isOfAlgorithm = (signature: PgpSignature, key: PgpPublicKey): boolean => {
  const rsa: readonly number[] = [ALGORITHMS.rsa, ALGORITHMS.rsaSign];
  return signature.algorithm === key.algorithm || (rsa.includes(signature.algorithm) && rsa.includes(key.algorithm));
};

/**
 * Whether the key made the signature over this data.
 *
 * @throws SignatureError for numbers that no signature has
 */
export const isSignedBy = (signature: PgpSignature, key: PgpPublicKey, data: Uint8Array): boolean => {
  if (key.material === undefined || !isOfAlgorithm(signature, key)) return false;
  const whole = Buffer.concat([data, signature.trailer]);
  if (!createHash(signature.hash).update(whole).digest().subarray(0, 2).equals(signature.hashStart)) return false;
  return verifyValue(signature, key.material, whole);
};
