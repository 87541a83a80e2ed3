import { createHash, type SignKeyObjectInput, verify } from 'node:crypto';
import { betweenMarkers, decodeBase64 } from '../armor.ts';
import { ByteReader } from '../byte-reader.ts';
import { malformed, SignatureError, unsupported } from '../errors.ts';
import { parseSshPublicKey, positiveNumber, printable, type SshPublicKey, sshFingerprint } from './public-key.ts';

/** Signature as `ssh-keygen -Y sign` makes it (OpenSSH, PROTOCOL.sshsig). */
export interface SshSignature {
  /** Key that the signature names, as in an allowed signers file. */
  readonly keyBlob: Buffer;
  readonly fingerprint: string;
  readonly namespace: string;
  readonly hash: 'sha256' | 'sha512';
  readonly signature: Buffer;
}

const PREAMBLE = 'SSHSIG';
const VERSION = 1;
/** Label of an armored SSH signature, as in `BEGIN SSH SIGNATURE`. */
export const SSH_SIGNATURE = 'SSH SIGNATURE';

const invalid = (): SignatureError =>
  new SignatureError('signature-invalid', 'the signature is not one of this object by the key it names');

const readHash = (name: string): SshSignature['hash'] => {
  if (name === 'sha256' || name === 'sha512') return name;
  throw unsupported(`the hash "${printable(name)}" is not accepted in SSH signatures`);
};

/**
 * Parses an armored SSH signature.
 *
 * @throws SignatureError `signature-malformed`, `signature-unsupported`
 */
export const parseSshSignature = (armored: string): SshSignature => {
  const reader = new ByteReader(decodeBase64(betweenMarkers(armored, SSH_SIGNATURE), 'the SSH signature'), 'the SSH signature');
  if (reader.take(PREAMBLE.length).toString('latin1') !== PREAMBLE) throw malformed(`the SSH signature does not begin with ${PREAMBLE}`);
  const version = reader.uint32();
  if (version !== VERSION) throw unsupported(`version ${version} of SSH signatures is not known`);
  const keyBlob = reader.string();
  const namespace = reader.string().toString('latin1');
  if (reader.string().length > 0) throw unsupported('the SSH signature uses a field that is reserved');
  const hash = readHash(reader.string().toString('latin1'));
  const signature = reader.string();
  reader.end();
  return { keyBlob, fingerprint: sshFingerprint(keyBlob), namespace, hash, signature };
};

const sshString = (bytes: Uint8Array): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.byteLength);
  return Buffer.concat([length, bytes]);
};

const signedBytes = ({ namespace, hash }: SshSignature, message: Uint8Array): Buffer =>
  Buffer.concat([
    Buffer.from(PREAMBLE),
    sshString(Buffer.from(namespace, 'latin1')),
    sshString(Buffer.alloc(0)),
    sshString(Buffer.from(hash)),
    sshString(createHash(hash).update(message).digest()),
  ]);

interface Check {
  readonly data: Buffer;
  readonly key: SshPublicKey;
  readonly signature: Buffer;
}

/** Concatenates both numbers, as node:crypto expects them. */
const ecdsaNumbers = (blob: Buffer, bytes: number): Buffer => {
  const reader = new ByteReader(blob, 'the ECDSA signature');
  const numbers = [reader.string(), reader.string()].map((number) => positiveNumber(number, 'a number of the ECDSA signature'));
  reader.end();
  if (numbers.some((number) => number.length > bytes)) throw invalid();
  return Buffer.concat(numbers.map((number) => Buffer.concat([Buffer.alloc(bytes - number.length), number])));
};

const verifyEcdsa = ({ data, key, signature }: Check): boolean => {
  if (key.curve === undefined) return false;
  const input: SignKeyObjectInput = { key: key.key, dsaEncoding: 'ieee-p1363' };
  return verify(key.curve.hash, data, input, ecdsaNumbers(signature, key.curve.bytes));
};

const RSA_HASHES: Readonly<Record<string, string>> = { 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512' };

const verifyPlain = (algorithm: string, check: Check): boolean => {
  const { key, data, signature } = check;
  if (key.scheme === 'rsa') {
    const hash = Object.hasOwn(RSA_HASHES, algorithm) ? RSA_HASHES[algorithm] : undefined;
    if (hash === undefined)
      throw unsupported(`RSA signatures of type "${printable(algorithm)}" are not accepted, rsa-sha2-256 and -512 are`);
    return verify(hash, data, key.key, signature);
  }
  if (algorithm !== key.type) throw malformed('the signature is of another type than its key');
  return key.scheme === 'ecdsa' ? verifyEcdsa(check) : verify(null, data, key.key, signature);
};

const USER_PRESENT = 0x01;

/**
 * Builds the data that a security token signs (OpenSSH, PROTOCOL.u2f): hash of the application,
 * flags, counter, hash of the message.
 */
const tokenData = (application: Buffer, data: Buffer, reader: ByteReader): Buffer => {
  const flags = reader.take(1);
  const counter = reader.take(4);
  reader.end();
  if (((flags[0] ?? 0) & USER_PRESENT) === 0)
    throw new SignatureError('signature-invalid', 'the security token signed without anybody touching it');
  const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();
  return Buffer.concat([sha256(application), flags, counter, sha256(data)]);
};

/**
 * Checks that the key named by the signature signed this message.
 *
 * @throws SignatureError if it did not, or in a way that is not accepted
 */
export const checkSshSignature = (signed: SshSignature, message: Uint8Array): SshPublicKey => {
  const key = parseSshPublicKey(signed.keyBlob);
  const reader = new ByteReader(signed.signature, 'the SSH signature');
  const algorithm = reader.string().toString('latin1');
  const signature = reader.string();
  const data = signedBytes(signed, message);
  const { application } = key;
  if (application === undefined) reader.end();
  const check = { key, signature, data: application === undefined ? data : tokenData(application, data, reader) };
  if (!verifyPlain(algorithm, check)) throw invalid();
  return key;
};
