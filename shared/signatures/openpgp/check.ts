import { malformed, SignatureError } from '../errors.ts';
import { dearmorSignature } from './armor.ts';
import type { SigningKey } from './certificate.ts';
import { readPackets, TAGS } from './packets.ts';
import type { PgpPublicKey } from './public-key.ts';
import { findSeconds, isSignedBy, type PgpSignature, parseSignature, SIGNATURE_TYPES, SUBPACKETS } from './signature.ts';

const KEY_ID_BYTES = 8;
const FINGERPRINT_VERSION = 4;

const readOne = (armored: string): PgpSignature => {
  const packets = readPackets(dearmorSignature(armored), 'the OpenPGP signature');
  const [packet] = packets;
  if (packets.length !== 1 || packet?.tag !== TAGS.signature) throw malformed('the OpenPGP signature is not exactly one signature');
  const signature = parseSignature(packet.body);
  if (signature.type !== SIGNATURE_TYPES.binary)
    throw new SignatureError(
      'signature-unsupported',
      `OpenPGP signatures of type ${signature.type} are not accepted, only those over binary data`,
    );
  return signature;
};

/**
 * Key ids and fingerprints by which a signature names its key, protected or not. Upper case
 * hexadecimal.
 */
const issuersOf = ({ hashed, unhashed }: PgpSignature): readonly string[] =>
  [...hashed, ...unhashed].flatMap(({ type, body }) => {
    if (type === SUBPACKETS.issuerFingerprint) {
      if (body[0] !== FINGERPRINT_VERSION) throw malformed('the OpenPGP signature names its key in an unknown form');
      return [body.toString('hex', 1).toUpperCase()];
    }
    if (type !== SUBPACKETS.issuerKeyId) return [];
    if (body.length !== KEY_ID_BYTES) throw malformed('the OpenPGP signature names its key in an unknown form');
    return [body.toString('hex').toUpperCase()];
  });

/** Whether a key has all the names. A key id is the end of a fingerprint. */
const isNamed = ({ fingerprint }: PgpPublicKey, issuers: readonly string[]): boolean =>
  issuers.every((issuer) => fingerprint.endsWith(issuer));

/**
 * Keys that may have made a signature. The names in a signature only exclude candidates: they prove
 * nothing, but a name that contradicts the signing key refuses the signature.
 */
const candidates = (signature: PgpSignature, keys: readonly SigningKey[]): readonly SigningKey[] => {
  const issuers = issuersOf(signature);
  const named = keys.filter(({ key }) => isNamed(key, issuers));
  if (named.length > 0) return named;
  const who = issuers.length === 0 ? 'a key that it does not name' : `the key ${[...new Set(issuers)].join(' = ')}`;
  throw new SignatureError('signer-unknown', `it is signed by ${who}, which is not in the keyring`);
};

const notValid = ({ key, owner }: SigningKey, why: string): SignatureError =>
  new SignatureError('signer-not-valid', `the key ${key.fingerprint} of ${owner} cannot be relied on: ${why}`);

const checkTimes = (signature: PgpSignature, signer: SigningKey, { committed, now }: Times): void => {
  const { key, expires } = signer;
  const seconds = findSeconds(signature.hashed, SUBPACKETS.signatureExpires);
  if (seconds > 0 && now.getTime() > signature.created.getTime() + seconds * 1000)
    throw new SignatureError('signature-invalid', 'the signature has expired by its own word');
  for (const time of [signature.created, committed]) {
    if (time < key.created) throw notValid(signer, `it was made ${key.created.toISOString()}, after ${time.toISOString()}`);
    if (expires !== undefined && time >= expires)
      throw notValid(signer, `it expired ${expires.toISOString()}, before ${time.toISOString()}`);
  }
  if (signature.created.getTime() > now.getTime() + SKEW_MS)
    throw new SignatureError('commit-in-future', `the signature was made ${signature.created.toISOString()}, which is in the future`);
};

/** Largest accepted difference of clocks, in milliseconds. */
export const SKEW_MS: number = 5 * 60 * 1000;

/** Times at which keys and signatures are judged. */
export interface Times {
  /** Time at which the key must be valid: that of the commit, or now. */
  readonly committed: Date;
  readonly now: Date;
}

/**
 * Checks a detached signature of a commit against a keyring.
 *
 * @returns the key that made it, valid at the time of the commit and of the signature
 * @throws SignatureError
 */
export const checkPgpSignature = (armored: string, payload: Uint8Array, keys: readonly SigningKey[], times: Times): SigningKey => {
  const signature = readOne(armored);
  const signer = candidates(signature, keys).find(({ key }) => isSignedBy(signature, key, payload));
  if (signer === undefined)
    throw new SignatureError('signature-invalid', 'the signature is not one of this object by a key that it can be of');
  if (signer.refused !== undefined) throw notValid(signer, signer.refused);
  checkTimes(signature, signer, times);
  return signer;
};
