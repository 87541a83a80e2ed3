import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { ByteReader } from '../byte-reader.ts';
import { malformed, unsupported } from '../errors.ts';

/** Public key in OpenSSH's format (RFC 4253 section 6.6, RFC 5656, RFC 8709, PROTOCOL.u2f). */
export interface SshPublicKey {
  /** Type, e.g. `ssh-ed25519`. */
  readonly type: string;
  readonly key: KeyObject;
  readonly scheme: 'ed25519' | 'ecdsa' | 'rsa';
  /** Curve of an ECDSA key. */
  readonly curve: Curve | undefined;
  /** Application of a key in a security token; undefined for other keys. */
  readonly application: Buffer | undefined;
  /** Fingerprint `SHA256:…`, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string;
}

/** Parameters of a NIST curve. */
export interface Curve {
  readonly jwk: 'P-256' | 'P-384' | 'P-521';
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  /** Size of a coordinate, in bytes. */
  readonly bytes: number;
}

/** Shortest accepted RSA key, in bits. */
export const MIN_RSA_BITS = 2048;
/** Longest accepted RSA key, in bits. The time of a verification grows with it. */
export const MAX_RSA_BITS = 16_384;

const CURVES: Readonly<Record<string, Curve>> = {
  nistp256: { jwk: 'P-256', hash: 'sha256', bytes: 32 },
  nistp384: { jwk: 'P-384', hash: 'sha384', bytes: 48 },
  nistp521: { jwk: 'P-521', hash: 'sha512', bytes: 66 },
};

const ED25519_BYTES = 32;
const UNCOMPRESSED = 0x04;

/**
 * Reads a number, which must be positive and in its shortest form. @returns bytes without the
 * leading zero
 */
export const positiveNumber = (bytes: Buffer, what: string): Buffer => {
  const [first = 0, second = 0] = bytes;
  const isMinimal = bytes.length > 0 && (first !== 0 || (bytes.length > 1 && second >= 0x80));
  if (!isMinimal || first >= 0x80) throw malformed(`${what} is not written as a positive number`);
  return first === 0 ? bytes.subarray(1) : bytes;
};

/**
 * Imports a public key from its JWK.
 *
 * @throws SignatureError `signature-malformed` if it is not a key, e.g. a point off its curve
 */
export const importKey = (jwk: JsonWebKey): KeyObject => {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    throw malformed('the public key is no valid key');
  }
};

const url = (bytes: Buffer): string => bytes.toString('base64url');

/** Imports a raw Ed25519 public key. @throws SignatureError unless it has 32 bytes */
export const ed25519Key = (bytes: Buffer): KeyObject => {
  if (bytes.length !== ED25519_BYTES) throw malformed('the Ed25519 key does not have 32 bytes');
  return importKey({ kty: 'OKP', crv: 'Ed25519', x: url(bytes) });
};

/** Imports a public key on a NIST curve. @param point uncompressed */
export const ecKey = (curve: Curve, point: Buffer): KeyObject => {
  if (point[0] !== UNCOMPRESSED || point.length !== 1 + 2 * curve.bytes) throw malformed(`the key is no point of ${curve.jwk}`);
  const [x, y] = [point.subarray(1, 1 + curve.bytes), point.subarray(1 + curve.bytes)];
  return importKey({ kty: 'EC', crv: curve.jwk, x: url(x), y: url(y) });
};

/** Number of bits of a number without leading zeros. */
const bitLength = (bytes: Buffer): number => (bytes.length === 0 ? 0 : bytes.length * 8 - Math.clz32(bytes[0] ?? 0) + 24);

/** Imports an RSA public key. @param numbers without leading zeros */
export const rsaKey = (numbers: { n: Buffer; e: Buffer }): KeyObject => {
  const bits = bitLength(numbers.n);
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS)
    throw unsupported(`the RSA key has ${bits} bits; ${MIN_RSA_BITS} to ${MAX_RSA_BITS} are accepted`);
  return importKey({ kty: 'RSA', n: url(numbers.n), e: url(numbers.e) });
};

type Parts = Pick<SshPublicKey, 'key' | 'scheme' | 'curve'>;

const readEd25519 = (reader: ByteReader): Parts => ({ key: ed25519Key(reader.string()), scheme: 'ed25519', curve: undefined });

const readEcdsa = (reader: ByteReader, expected: string): Parts => {
  const name = reader.string().toString('latin1');
  const curve = CURVES[name];
  if (curve === undefined || name !== expected) throw malformed('the ECDSA key names another curve than its type');
  return { key: ecKey(curve, reader.string()), scheme: 'ecdsa', curve };
};

const readRsa = (reader: ByteReader): Parts => {
  const e = positiveNumber(reader.string(), 'the exponent of the key');
  const n = positiveNumber(reader.string(), 'the modulus of the key');
  return { key: rsaKey({ n, e }), scheme: 'rsa', curve: undefined };
};

const READERS: Readonly<Record<string, { read: (reader: ByteReader) => Parts; inToken: boolean }>> = {
  'ssh-ed25519': { read: readEd25519, inToken: false },
  'ssh-rsa': { read: readRsa, inToken: false },
  'ecdsa-sha2-nistp256': { read: (reader) => readEcdsa(reader, 'nistp256'), inToken: false },
  'ecdsa-sha2-nistp384': { read: (reader) => readEcdsa(reader, 'nistp384'), inToken: false },
  'ecdsa-sha2-nistp521': { read: (reader) => readEcdsa(reader, 'nistp521'), inToken: false },
  'sk-ssh-ed25519@openssh.com': { read: readEd25519, inToken: true },
  'sk-ecdsa-sha2-nistp256@openssh.com': { read: (reader) => readEcdsa(reader, 'nistp256'), inToken: true },
};

/** Fingerprint of a public key, as `ssh-keygen -l` prints it. @param blob in SSH wire format */
export const sshFingerprint = (blob: Uint8Array): string =>
  `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;

/**
 * Parses a public key in SSH wire format.
 *
 * @throws SignatureError `signature-malformed`, `signature-unsupported` (certificates, DSA, short
 * RSA keys)
 */
export const parseSshPublicKey = (blob: Uint8Array): SshPublicKey => {
  const reader = new ByteReader(blob, 'the public key');
  const type = reader.string().toString('latin1');
  const kind = Object.hasOwn(READERS, type) ? READERS[type] : undefined;
  if (kind === undefined) throw unsupported(`keys of type "${printable(type)}" are not accepted`);
  const parts = kind.read(reader);
  const application = kind.inToken ? reader.string() : undefined;
  reader.end();
  return { type, ...parts, application, fingerprint: sshFingerprint(blob) };
};

/** Makes a text safe for messages: printable ASCII, at most 64 characters. */
export const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 64);
