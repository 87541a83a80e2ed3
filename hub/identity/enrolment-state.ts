import { timingSafeEqual } from 'node:crypto';
import { ENROLMENT_KIND, type EnrolmentRecord, parseEnrolment, type TokenRecord } from './enrolment-store.ts';
import { Refusal } from './refusal.ts';

/**
 * Changes of a cluster's enrolment record. Pure. Each throws a {@link Refusal} if it is not
 * allowed.
 */

/** Cluster that a certificate names, with generation, serial and dates of the certificate. */
export interface CertifiedCluster {
  readonly cluster: string;
  readonly generation: number;
  readonly serial: string;
  readonly notBefore: Date;
  readonly expires: Date;
}

/** Certificate that the hub is about to issue. */
export interface PendingCertificate {
  readonly serial: string;
  readonly issued: Date;
  readonly expires: Date;
}

/** Number of tokens kept per cluster. */
const TOKENS_KEPT = 8;

const unknownCluster = (cluster: string): EnrolmentRecord => ({
  cluster,
  state: 'invited',
  generation: 0,
  tokens: [],
  enrolled: null,
  revoked: null,
  certificate: null,
  newestShown: null,
});

const withdrawOpen = (tokens: readonly TokenRecord[]): TokenRecord[] =>
  tokens.map((token) => (token.used === null ? { ...token, withdrawn: true } : token));

/** Adds a token and withdraws the unused ones. */
export const invite = (
  before: EnrolmentRecord | undefined,
  token: { readonly cluster: string; readonly digest: string; readonly created: Date; readonly expires: Date },
): EnrolmentRecord => {
  const record = before ?? unknownCluster(token.cluster);
  const added: TokenRecord = {
    digest: token.digest,
    created: token.created.toISOString(),
    expires: token.expires.toISOString(),
    withdrawn: false,
    used: null,
  };
  // Like a revoked cluster, it is only accepted by a certificate.
  const state = record.state === 'forgotten' ? 'revoked' : record.state;
  return { ...record, state, tokens: [added, ...withdrawOpen(record.tokens)].slice(0, TOKENS_KEPT) };
};

/**
 * Finds a token by its digest. Compares all tokens in constant time, so that timing reveals
 * nothing.
 */
const findToken = (tokens: readonly TokenRecord[], digest: string): TokenRecord | undefined => {
  const given = Buffer.from(digest, 'hex');
  let found: TokenRecord | undefined;
  for (const token of tokens) if (timingSafeEqual(Buffer.from(token.digest, 'hex'), given)) found = token;
  return found;
};

const UNKNOWN = 'this hub knows no such token: make one with "fso clusters token <name>"';

/** Returns the token if it may be used with this key now. @throws Refusal */
const usableToken = (record: EnrolmentRecord | undefined, digest: string, key: string, now: Date): TokenRecord => {
  const token = findToken(record?.tokens ?? [], digest);
  if (record === undefined || token === undefined) throw new Refusal('token-unknown', UNKNOWN);
  if (token.withdrawn) throw new Refusal('token-unknown', 'a newer token, or a revocation, took the place of this one');
  if (Date.parse(token.expires) <= now.getTime()) throw new Refusal('token-expired', `the token was good until ${token.expires}`);
  if (token.used === null) return token;
  const isRepeated = token.used.key === key && token.used.generation === record.generation && record.state === 'enrolled';
  if (!isRepeated) throw new Refusal('token-used', `the token was used at ${token.used.time}; each is good for one enrolment`);
  return token;
};

const certificateOf = ({ serial, issued, expires }: PendingCertificate): NonNullable<EnrolmentRecord['certificate']> => ({
  serial,
  issued: issued.toISOString(),
  expires: expires.toISOString(),
});

/**
 * Uses a token. The same key may repeat its request until the token expires, because the answer may
 * have been lost.
 */
export const enrol = (
  before: EnrolmentRecord | undefined,
  request: { readonly digest: string; readonly key: string },
  issue: PendingCertificate,
): EnrolmentRecord => {
  const token = usableToken(before, request.digest, request.key, issue.issued);
  const record = before as EnrolmentRecord;
  const certificate = certificateOf(issue);
  if (token.used !== null) return { ...record, certificate };
  const generation = record.generation + 1;
  const time = issue.issued.toISOString();
  const used = { ...token, used: { time, key: request.key, generation } };
  return {
    ...record,
    state: 'enrolled',
    generation,
    tokens: record.tokens.map((known) => (known === token ? used : known)),
    enrolled: time,
    certificate,
    newestShown: null,
  };
};

/**
 * Checks that a certificate is current for its cluster.
 *
 * @throws Refusal if the cluster was revoked or has enrolled again since
 */
export const assertCurrent = (
  record: EnrolmentRecord | undefined,
  { cluster, generation }: Pick<CertifiedCluster, 'cluster' | 'generation'>,
): EnrolmentRecord => {
  if (record === undefined) throw new Refusal('not-authorized', `this hub has not enrolled ${cluster}`);
  if (record.state === 'revoked' || record.state === 'forgotten')
    throw new Refusal('revoked', `${cluster} was revoked at ${record.revoked}`);
  if (record.state !== 'enrolled' || record.generation !== generation)
    throw new Refusal('superseded', `${cluster} has enrolled again since this certificate was issued`);
  return record;
};

/**
 * Checks a certificate that is not valid yet. It was issued while the clock of the hub was ahead,
 * and copies of it may exist, so only the newest one is accepted.
 *
 * @throws Refusal
 */
const assertLast = ({ certificate }: EnrolmentRecord, serial: string): void => {
  if (serial !== certificate?.serial && serial !== certificate?.renewed)
    throw new Refusal('superseded', 'the certificate is not valid yet, and a newer one of this identity was issued');
};

/**
 * Renews a certificate. A recently expired certificate is accepted as long as no newer one was
 * shown, so an agent that was offline for days recovers, but an old copy of its key does not.
 */
export const renew = (
  before: EnrolmentRecord | undefined,
  peer: CertifiedCluster,
  issue: PendingCertificate,
  graceMs: number,
): EnrolmentRecord => {
  const record = assertCurrent(before, peer);
  const lateMs = issue.issued.getTime() - peer.expires.getTime();
  if (lateMs > graceMs)
    throw new Refusal('not-authorized', `the certificate expired at ${peer.expires.toISOString()}, too long ago to be renewed`);
  if (lateMs > 0 && peer.expires.getTime() < Date.parse(record.newestShown ?? '1970-01-01T00:00:00Z'))
    throw new Refusal('superseded', 'a newer certificate of this identity was used already');
  const isEarly = issue.issued < peer.notBefore;
  if (isEarly) assertLast(record, peer.serial);
  const certificate = { ...certificateOf(issue), renewed: peer.serial };
  // The expiry of a certificate that was shown while the clock was ahead would be later than that
  // of the new one.
  return { ...record, certificate, newestShown: isEarly ? certificate.issued : record.newestShown };
};

const withoutRenewed = (record: EnrolmentRecord): EnrolmentRecord => {
  if (record.certificate?.renewed === undefined) return record;
  const { renewed: _, ...certificate } = record.certificate;
  return { ...record, certificate };
};

/** Records that an agent has proven possession of a certificate and its key. */
export const show = (before: EnrolmentRecord | undefined, peer: CertifiedCluster): EnrolmentRecord => {
  const current = assertCurrent(before, peer);
  const record = current.certificate?.serial === peer.serial ? withoutRenewed(current) : current;
  if (peer.expires.getTime() <= Date.parse(record.newestShown ?? '1970-01-01T00:00:00Z')) return record;
  return { ...record, newestShown: peer.expires.toISOString() };
};

/** Revokes all certificates and tokens of a cluster. A later token lets it enrol again. */
export const revoke = (before: EnrolmentRecord | undefined, cluster: string, now: Date): EnrolmentRecord => {
  const record = before ?? unknownCluster(cluster);
  return {
    ...record,
    state: 'revoked',
    generation: record.generation + 1,
    tokens: withdrawOpen(record.tokens),
    revoked: now.toISOString(),
  };
};

/** Revokes a cluster as {@link revoke} does, and drops everything else about it. */
export const forget = (before: EnrolmentRecord | undefined, cluster: string, now: Date): EnrolmentRecord => ({
  ...unknownCluster(cluster),
  state: 'forgotten',
  generation: (before?.generation ?? 0) + 1,
  revoked: before?.revoked ?? now.toISOString(),
});

/**
 * Change of a ledger record that ends the enrolment of a cluster, for a ledger that no hub has
 * open.
 */
export const forgetEnrolment = (cluster: string, now: Date) => ({
  kind: ENROLMENT_KIND,
  name: cluster,
  change: (value: unknown): unknown => {
    const before = parseEnrolment(value);
    return before === undefined || before.state === 'forgotten' ? value : forget(before, cluster, now);
  },
});
