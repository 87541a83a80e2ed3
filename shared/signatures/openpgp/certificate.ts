import { SignatureError, SignersError } from '../errors.ts';
import { dearmorKeys } from './armor.ts';
import { type Packet, readPackets, TAGS } from './packets.ts';
import { hashedKey, type PgpPublicKey, parsePublicKey } from './public-key.ts';
import { findSeconds, findSubpacket, isSignedBy, type PgpSignature, parseSignature, SIGNATURE_TYPES, SUBPACKETS } from './signature.ts';

/** Key of a keyring that may sign, with the end of its validity. */
export interface SigningKey {
  readonly key: PgpPublicKey;
  /** Fingerprint of the primary key of its certificate. */
  readonly primary: string;
  /** First user id of the certificate, in printable form. */
  readonly owner: string;
  /** Reason why its signatures are never accepted, if there is one. */
  readonly refused: string | undefined;
  /** Earliest expiry: of the key itself or of its primary key. */
  readonly expires: Date | undefined;
}

interface Component {
  readonly packet: Packet;
  readonly signatures: Packet[];
}

/** Packets of one key, in their order (RFC 9580 section 10.1). */
interface Certificate {
  readonly primary: Component;
  readonly userIds: readonly Component[];
  readonly subkeys: readonly Component[];
}

/** Largest number of keys in a keyring. */
export const MAX_KEYS = 500;
const CAN_SIGN = 0x02;
const MAX_OWNER_LENGTH = 200;
const IGNORED: readonly number[] = [TAGS.trust, TAGS.marker];
const USER_TAGS: readonly number[] = [TAGS.userId, TAGS.userAttribute];

const refuse = (message: string): SignersError => new SignersError(`keyring: ${message}`);

/** Groups each key, user id and subkey with the signatures that follow it. */
const groupComponents = (packets: readonly Packet[]): readonly Component[] => {
  const components: Component[] = [];
  for (const packet of packets) {
    if (IGNORED.includes(packet.tag)) continue;
    if (packet.tag !== TAGS.signature) components.push({ packet, signatures: [] });
    else if (components.length === 0) throw refuse('it begins with a signature instead of a key');
    else components.at(-1)?.signatures.push(packet);
  }
  return components;
};

const checkTag = (tag: number): void => {
  if (tag === TAGS.secretKey || tag === TAGS.secretSubkey)
    throw refuse('it holds a SECRET key: export the public one (gpg --armor --export)');
  if (tag !== TAGS.publicKey && tag !== TAGS.publicSubkey && !USER_TAGS.includes(tag)) throw refuse(`it holds a packet of type ${tag}`);
};

const splitCertificates = (components: readonly Component[]): readonly Certificate[] => {
  const certificates: { primary: Component; userIds: Component[]; subkeys: Component[] }[] = [];
  for (const component of components) {
    const { tag } = component.packet;
    checkTag(tag);
    const last = certificates.at(-1);
    if (tag === TAGS.publicKey) certificates.push({ primary: component, userIds: [], subkeys: [] });
    else if (last === undefined) throw refuse('it does not begin with a key');
    else (tag === TAGS.publicSubkey ? last.subkeys : last.userIds).push(component);
  }
  return certificates;
};

/**
 * Type of a signature, even of one that cannot be checked. Versions 2 and 3 have it one byte later.
 */
const typeOf = ({ body }: Packet): number | undefined => ((body[0] ?? 0) < 4 ? body[2] : body[1]);

/**
 * Whether a component has a signature of one of these types, by any key: revocations are not added
 * to a keyring of signers by accident.
 */
const holds = ({ signatures }: Component, types: readonly number[]): boolean =>
  signatures.some((packet) => types.includes(typeOf(packet) ?? -1));

const { keyRevocation, subkeyRevocation, certificationRevocation } = SIGNATURE_TYPES;

const isKeyRevoked = ({ primary, userIds, subkeys }: Certificate): boolean =>
  [primary, ...userIds, ...subkeys].some((component) => holds(component, [keyRevocation]));

const tryParse = (packet: Packet): PgpSignature | undefined => {
  try {
    return parseSignature(packet.body);
  } catch (error) {
    // Keys often have certifications by others, or with old hashes. They are ignored.
    if (error instanceof SignatureError) return undefined;
    throw error;
  }
};

/** @returns the newest of a component's signatures of these types that the primary key made */
const newestSelfSignature = (component: Component, types: readonly number[], check: (signature: PgpSignature) => boolean) =>
  component.signatures
    .flatMap((packet) => tryParse(packet) ?? [])
    .filter((signature) => types.includes(signature.type) && check(signature))
    .sort((left, right) => right.created.getTime() - left.created.getTime())[0];

const checkedBy = (signature: PgpSignature, key: PgpPublicKey, data: Buffer): boolean => {
  try {
    return isSignedBy(signature, key, data);
  } catch (error) {
    if (error instanceof SignatureError) return false;
    throw error;
  }
};

/** Bytes of a user id that its certification hashes. */
const hashedUser = ({ tag, body }: Packet): Buffer => {
  const header = Buffer.from([tag === TAGS.userId ? 0xb4 : 0xd1, 0, 0, 0, 0]);
  header.writeUInt32BE(body.length, 1);
  return Buffer.concat([header, body]);
};

const canSign = (signature: PgpSignature): boolean => ((findSubpacket(signature.hashed, SUBPACKETS.keyFlags)?.[0] ?? 0) & CAN_SIGN) !== 0;

const earlier = (left: Date | undefined, right: Date | undefined): Date | undefined => {
  if (left === undefined || right === undefined) return left ?? right;
  return left < right ? left : right;
};

const after = (start: Date, seconds: number): Date | undefined => (seconds === 0 ? undefined : new Date(start.getTime() + seconds * 1000));

/**
 * Expiry of a key by a signature of its owner: the one that the signature states for the key, or
 * the signature's own.
 */
const expiryOf = (key: PgpPublicKey, { hashed, created }: PgpSignature): Date | undefined =>
  earlier(after(key.created, findSeconds(hashed, SUBPACKETS.keyExpires)), after(created, findSeconds(hashed, SUBPACKETS.signatureExpires)));

/**
 * Finds the newest self-signature of a primary key: on the key, or on one of its user ids that is
 * not revoked.
 */
const selfSignatureOf = (certificate: Certificate, key: PgpPublicKey): PgpSignature | undefined => {
  const direct = newestSelfSignature(certificate.primary, [SIGNATURE_TYPES.directKey], (signature) =>
    checkedBy(signature, key, hashedKey(key.body)),
  );
  const users = certificate.userIds
    .filter((user) => !holds(user, [certificationRevocation]))
    .map((user) =>
      newestSelfSignature(user, SIGNATURE_TYPES.certifications, (signature) =>
        checkedBy(signature, key, Buffer.concat([hashedKey(key.body), hashedUser(user.packet)])),
      ),
    );
  return [direct, ...users]
    .flatMap((signature) => signature ?? [])
    .sort((left, right) => right.created.getTime() - left.created.getTime())[0];
};

const ownerOf = ({ userIds }: Certificate): string => {
  const first = userIds.find(({ packet }) => packet.tag === TAGS.userId)?.packet.body ?? Buffer.alloc(0);
  return first
    .toString('utf8')
    .replace(/[\p{C}\ufffd]/gu, '?')
    .slice(0, MAX_OWNER_LENGTH);
};

/**
 * Whether a signing subkey confirms that it belongs to the primary key. Otherwise a signature could
 * be claimed by another key.
 */
const isCrossCertified = (binding: PgpSignature, subkey: PgpPublicKey, data: Buffer): boolean =>
  [...binding.hashed, ...binding.unhashed]
    .filter(({ type }) => type === SUBPACKETS.embeddedSignature)
    .some(({ body }) => {
      const back = tryParse({ tag: TAGS.signature, body });
      return back?.type === SIGNATURE_TYPES.primaryKeyBinding && checkedBy(back, subkey, data);
    });

interface Primary {
  readonly key: PgpPublicKey;
  readonly primary: string;
  readonly owner: string;
  readonly refused: string | undefined;
  readonly expires: Date | undefined;
}

const readSubkey = (component: Component, primary: Primary): SigningKey => {
  const key = parsePublicKey(component.packet.body);
  const { owner, primary: fingerprint } = primary;
  const refused = (reason: string): SigningKey => ({ key, primary: fingerprint, owner, refused: reason, expires: undefined });
  if (primary.refused !== undefined) return refused(primary.refused);
  if (holds(component, [subkeyRevocation])) return refused('the subkey is revoked');
  const data = Buffer.concat([hashedKey(primary.key.body), hashedKey(key.body)]);
  const binding = newestSelfSignature(component, [SIGNATURE_TYPES.subkeyBinding], (signature) => checkedBy(signature, primary.key, data));
  if (binding === undefined) return refused('the primary key does not vouch for the subkey in a way that is accepted');
  if (!canSign(binding)) return refused('the subkey is not meant for signing');
  if (!isCrossCertified(binding, key, data)) return refused('the subkey does not vouch for its primary key');
  return { key, primary: fingerprint, owner, refused: undefined, expires: earlier(primary.expires, expiryOf(key, binding)) };
};

const readCertificate = (certificate: Certificate): readonly SigningKey[] => {
  const key = parsePublicKey(certificate.primary.packet.body);
  const owner = ownerOf(certificate);
  const self = selfSignatureOf(certificate, key);
  const broken = self === undefined ? 'the key has no signature by itself that is accepted (SHA-256 or better)' : undefined;
  const refused = isKeyRevoked(certificate) ? 'the key is revoked' : broken;
  const expires = self === undefined ? undefined : expiryOf(key, self);
  const primary: Primary = { key, primary: key.fingerprint, owner, refused, expires };
  const noSigning = self !== undefined && !canSign(self) ? 'the primary key is not meant for signing' : undefined;
  return [{ ...primary, refused: refused ?? noSigning }, ...certificate.subkeys.map((subkey) => readSubkey(subkey, primary))];
};

const readAll = (text: string): readonly SigningKey[] =>
  dearmorKeys(text).flatMap((block) => splitCertificates(groupComponents(readPackets(block, 'the keyring'))).flatMap(readCertificate));

/**
 * Parses an ASCII-armoured keyring (`gpg --armor --export`).
 *
 * @returns every key and subkey, including those that may not sign, so that errors can state the
 * reason
 * @throws SignersError
 */
export const parseKeyring = (text: string): readonly SigningKey[] => {
  try {
    const keys = readAll(text);
    if (keys.length > MAX_KEYS) throw refuse(`it holds ${keys.length} keys, more than the ${MAX_KEYS} that are accepted`);
    return keys;
  } catch (error) {
    if (error instanceof SignatureError) throw refuse(error.message);
    throw error;
  }
};
