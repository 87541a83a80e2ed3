import { createHash, type KeyObject } from 'node:crypto';
import { ByteReader } from '../byte-reader.ts';
import { malformed, SignatureError, unsupported } from '../errors.ts';
import { type Curve, ecKey, ed25519Key, rsaKey } from '../ssh/public-key.ts';
import { readMpi } from './packets.ts';

/** Public key or subkey, version 4 (RFC 9580 section 5.5). */
export interface PgpPublicKey {
  readonly body: Buffer;
  /** 40 upper case hexadecimal digits, as `gpg --fingerprint` prints them. */
  readonly fingerprint: string;
  readonly created: Date;
  readonly algorithm: number;
  /** undefined: the algorithm cannot sign, or its signatures are not accepted. */
  readonly material: KeyMaterial | undefined;
}

/** Public key, and the algorithm that verifies with it. */
export interface KeyMaterial {
  readonly key: KeyObject;
  readonly scheme: 'rsa' | 'ecdsa' | 'eddsa-legacy' | 'ed25519';
  /** Curve of an ECDSA key. */
  readonly curve: Curve | undefined;
}

/** Accepted public-key algorithms by their number: RFC 9580 section 9.1. */
export const ALGORITHMS = { rsa: 1, rsaSign: 3, ecdsa: 19, eddsaLegacy: 22, ed25519: 27 } as const;

const VERSION = 4;
/** Object ids of curves: RFC 9580 section 9.2. */
const CURVES: Readonly<Record<string, Curve>> = {
  '2a8648ce3d030107': { jwk: 'P-256', hash: 'sha256', bytes: 32 },
  '2b81040022': { jwk: 'P-384', hash: 'sha384', bytes: 48 },
  '2b81040023': { jwk: 'P-521', hash: 'sha512', bytes: 66 },
};
const ED25519_LEGACY = '2b06010401da470f01';
const NATIVE_POINT = 0x40;

const readOid = (reader: ByteReader): string => reader.take(reader.uint8()).toString('hex');

const unsupportedCurve = (): SignatureError => unsupported('the key is on a curve that is not accepted');

const readEcdsa = (reader: ByteReader): KeyMaterial => {
  const oid = readOid(reader);
  const curve = Object.hasOwn(CURVES, oid) ? CURVES[oid] : undefined;
  if (curve === undefined) throw unsupportedCurve();
  return { key: ecKey(curve, readMpi(reader)), scheme: 'ecdsa', curve };
};

const readEdDsa = (reader: ByteReader): KeyMaterial => {
  if (readOid(reader) !== ED25519_LEGACY) throw unsupportedCurve();
  const point = readMpi(reader);
  if (point[0] !== NATIVE_POINT) throw malformed('the EdDSA key is in an unknown form');
  return { key: ed25519Key(point.subarray(1)), scheme: 'eddsa-legacy', curve: undefined };
};

const readRsa = (reader: ByteReader): KeyMaterial => {
  const n = readMpi(reader);
  return { key: rsaKey({ n, e: readMpi(reader) }), scheme: 'rsa', curve: undefined };
};

const READERS: Readonly<Record<number, (reader: ByteReader) => KeyMaterial>> = {
  [ALGORITHMS.rsa]: readRsa,
  [ALGORITHMS.rsaSign]: readRsa,
  [ALGORITHMS.ecdsa]: readEcdsa,
  [ALGORITHMS.eddsaLegacy]: readEdDsa,
  [ALGORITHMS.ed25519]: (reader) => ({ key: ed25519Key(reader.take(32)), scheme: 'ed25519', curve: undefined }),
};

/**
 * Reads the key material. Encryption keys and weak keys may be in a keyring; their signatures are
 * not accepted.
 */
const readMaterial = (algorithm: number, reader: ByteReader): KeyMaterial | undefined => {
  const read = READERS[algorithm];
  if (read === undefined) return undefined;
  try {
    const material = read(reader);
    reader.end();
    return material;
  } catch (error) {
    if (error instanceof SignatureError && error.code === 'signature-unsupported') return undefined;
    throw error;
  }
};

/** Bytes of a key that its fingerprint, and signatures over it, hash. */
export const hashedKey = (body: Buffer): Buffer => {
  const header = Buffer.from([0x99, 0, 0]);
  header.writeUInt16BE(body.length, 1);
  return Buffer.concat([header, body]);
};

/** Parses the content of a public key packet. @throws SignatureError */
export const parsePublicKey = (body: Buffer): PgpPublicKey => {
  const reader = new ByteReader(body, 'an OpenPGP key');
  const version = reader.uint8();
  if (version !== VERSION) throw unsupported(`OpenPGP keys of version ${version} are not accepted, only version 4`);
  if (body.length > 0xffff) throw malformed('an OpenPGP key is too long');
  const created = new Date(reader.uint32() * 1000);
  const algorithm = reader.uint8();
  const fingerprint = createHash('sha1').update(hashedKey(body)).digest('hex').toUpperCase();
  return { body, fingerprint, created, algorithm, material: readMaterial(algorithm, reader) };
};
