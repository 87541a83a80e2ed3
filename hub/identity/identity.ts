import { randomBytes } from 'node:crypto';
import { ResourceName } from '@fso/shared/api';
import { digestOfToken, formatToken, type IssuedIdentity, parseToken } from '@fso/shared/protocol';
import type { Clock } from '@fso/shared/runtime';
import type { Authority } from './authority.ts';
import { readRequest } from './csr.ts';
import {
  assertCurrent,
  type CertifiedCluster,
  enrol,
  forget,
  invite,
  type PendingCertificate,
  renew,
  revoke,
  show,
} from './enrolment-state.ts';
import type { EnrolmentRecord, EnrolmentStore } from './enrolment-store.ts';
import { Refusal } from './refusal.ts';
import { newSerial } from './x509.ts';

/** Change or refusal of an agent's identity, for log, history and audit log. */
export interface IdentityEvent {
  readonly reason:
    | 'EnrolmentTokenIssued'
    | 'ClusterEnrolled'
    | 'CertificateRenewed'
    | 'ClusterRevoked'
    | 'ClusterForgotten'
    | 'EnrolmentRefused';
  /** Cluster that the request proves; null: none. */
  readonly cluster: string | null;
  /** Known cluster that a caller without proof claims to be. */
  readonly claimed?: string | undefined;
  /** Address of the request; null: a call of the API, which is recorded there. */
  readonly from: string | null;
  readonly message: string;
}

/** Lifetimes of certificates and tokens, in milliseconds. */
export interface IdentityLimits {
  /** Lifetime of an agent's certificate. */
  readonly certificateMs: number;
  /** Time after its expiry during which it can be renewed. */
  readonly graceMs: number;
  /** Maximum lifetime of a token. */
  readonly maxTokenMs: number;
}

/** Limits of identities in production. Tests use shorter ones. */
export const DEFAULT_IDENTITY_LIMITS: IdentityLimits = {
  certificateMs: 24 * 3600 * 1000,
  graceMs: 30 * 24 * 3600 * 1000,
  maxTokenMs: 3600 * 1000,
};

/** CA, store and state of the database for issuing identities. */
export interface IdentityDeps {
  readonly authority: Authority;
  readonly store: EnrolmentStore;
  readonly clock: Clock;
  readonly limits: IdentityLimits;
  /**
   * Records an event. A request is answered only after this resolves, so no certificate is issued
   * without its audit entry.
   */
  readonly onEvent: (event: IdentityEvent) => Promise<void>;
  /** State of the database. Default: always usable, for a single hub. */
  readonly state?: IdentityState | undefined;
}

/** State of the database. Nothing is issued without a usable database. */
export interface IdentityState {
  /** Whether the database accepts writes. */
  isWritable(): boolean;
  /** Whether this hub knows what other hubs have revoked. */
  isCurrent(): boolean;
}

/** Sender of a certificate request. */
export interface CertificateRequester {
  /** Address of the request. */
  readonly from?: string | null;
  /** Aborts when the requester has left, so that nothing is signed for it. */
  readonly signal?: AbortSignal;
}

const NEVER = new AbortController().signal;

/**
 * Time by which the certificates of agents are backdated, in milliseconds, so that hubs with a slow
 * clock accept them.
 */
const AGENT_BACKDATE_MS = 5 * 60 * 1000;

const RELIABLE: IdentityState = { isWritable: () => true, isCurrent: () => true };

/** Identities of agents: enrols clusters, issues certificates, and checks connections. */
export class Identity {
  readonly #deps: IdentityDeps;
  readonly #state: IdentityState;

  constructor(deps: IdentityDeps) {
    this.#deps = deps;
    this.#state = deps.state ?? RELIABLE;
  }

  /**
   * Creates an enrolment token.
   *
   * @throws RangeError if the name is invalid or the lifetime too long
   */
  async issueToken(cluster: string, ttlMs: number): Promise<{ readonly token: string; readonly expires: string }> {
    const { authority, store, clock, limits, onEvent } = this.#deps;
    if (!ResourceName.safeParse(cluster).success) throw new RangeError('this is not a valid cluster name');
    if (!(ttlMs > 0 && ttlMs <= limits.maxTokenMs)) throw new RangeError(`a token may live for at most ${limits.maxTokenMs / 1000} s`);
    const created = clock.now();
    const expires = new Date(created.getTime() + ttlMs);
    const token = formatToken({ cluster, secret: randomBytes(32).toString('base64url'), caFingerprint: authority.fingerprint });
    await store.update(cluster, (before) => invite(before, { cluster, digest: digestOfToken(token), created, expires }));
    await onEvent({ reason: 'EnrolmentTokenIssued', cluster, from: null, message: `Good until ${expires.toISOString()}.` });
    return { token, expires: expires.toISOString() };
  }

  /** Enrols a cluster by a token. @throws Refusal; the signal's reason */
  async enrol(token: string, csr: string, { from = null, signal = NEVER }: CertificateRequester = {}): Promise<IssuedIdentity> {
    try {
      return await this.#enrolWith(token, csr, { from, signal });
    } catch (error) {
      // A caller without a valid token proves nothing, so its claim stays out of the cluster's
      // history.
      return this.#refused({ cluster: null, claimed: await this.#claimedBy(token), from }, error);
    }
  }

  /** Issues a new certificate to a peer. @throws Refusal; the signal's reason */
  async renew(peer: CertifiedCluster, csr: string, { from = null, signal = NEVER }: CertificateRequester = {}): Promise<IssuedIdentity> {
    try {
      return await this.#renewAs(peer, csr, { from, signal });
    } catch (error) {
      return this.#refused({ cluster: peer.cluster, from }, error);
    }
  }

  /**
   * Admits a peer whose certificate is valid now and not superseded by a newer one.
   *
   * @throws Refusal
   */
  async admit(peer: CertifiedCluster): Promise<void> {
    const { store } = this.#deps;
    this.#assertInForce(peer);
    if (!this.#state.isCurrent()) throw new Refusal('unavailable', 'the hub cannot read recent revocations; try again later');
    const known = await store.get(peer.cluster);
    if (show(known, peer) !== known) this.#assertWritable();
    await store.update(peer.cluster, (before) => show(before, peer));
  }

  /** Checks a peer that was admitted before, like {@link admit}. @throws Refusal */
  async recheck(peer: CertifiedCluster): Promise<void> {
    this.#assertInForce(peer);
    assertCurrent(await this.#deps.store.get(peer.cluster), peer);
  }

  async revoke(cluster: string): Promise<EnrolmentRecord> {
    const { store, clock, onEvent } = this.#deps;
    const record = await store.update(cluster, (before) => revoke(before, cluster, clock.now()));
    const message = 'Its certificates and tokens are no longer valid.';
    await onEvent({ reason: 'ClusterRevoked', cluster, from: null, message });
    return record;
  }

  /**
   * Revokes a cluster like {@link revoke} and hides it. A cluster without any token stays unknown.
   */
  async forget(cluster: string): Promise<void> {
    const { store, clock, onEvent } = this.#deps;
    const known = await store.get(cluster);
    if (known === undefined || known.state === 'forgotten') return;
    await store.update(cluster, (before) => forget(before, cluster, clock.now()));
    await onEvent({ reason: 'ClusterForgotten', cluster, from: null, message: 'The hub keeps only its history.' });
  }

  get(cluster: string): Promise<EnrolmentRecord | undefined> {
    return this.#deps.store.get(cluster);
  }

  /** Returns the records sorted by name, without forgotten ones. */
  async list(): Promise<readonly EnrolmentRecord[]> {
    return (await this.#deps.store.list()).filter(({ state }) => state !== 'forgotten');
  }

  subscribe(handler: (cluster: string) => void): () => void {
    return this.#deps.store.subscribe(handler);
  }

  /** Refuses a request while the database is unavailable, so that requests do not pile up. */
  #assertWritable(): void {
    if (!this.#state.isWritable()) throw new Refusal('unavailable', 'the database of the hub is away; try again later');
  }

  #assertInForce({ notBefore, expires }: CertifiedCluster): void {
    const now = this.#deps.clock.now().getTime();
    if (now < notBefore.getTime()) throw new Refusal('not-authorized', `the certificate is valid from ${notBefore.toISOString()} on`);
    if (now >= expires.getTime()) throw new Refusal('not-authorized', `the certificate expired at ${expires.toISOString()}`);
  }

  #newIssue(): PendingCertificate {
    const { clock, limits } = this.#deps;
    const issued = clock.now();
    return { serial: newSerial(), issued, expires: new Date(issued.getTime() + limits.certificateMs - AGENT_BACKDATE_MS) };
  }

  async #sign({ cluster, generation }: EnrolmentRecord, issue: PendingCertificate, publicKey: ArrayBuffer): Promise<IssuedIdentity> {
    const { authority, clock } = this.#deps;
    const { serial, issued, expires } = issue;
    const notBefore = new Date(issued.getTime() - AGENT_BACKDATE_MS);
    const certificate = await authority.issueAgent({ cluster, generation, serial, publicKey, notBefore, notAfter: expires });
    return { cluster, certificate, ca: authority.bundle, expires: expires.toISOString(), time: clock.now().toISOString() };
  }

  async #refused(who: Pick<IdentityEvent, 'cluster' | 'claimed' | 'from'>, error: unknown): Promise<never> {
    if (error instanceof Refusal && error.code !== 'unavailable')
      await this.#deps.onEvent({ reason: 'EnrolmentRefused', ...who, message: error.message });
    throw error;
  }

  /** Returns the cluster that a token names, if the hub knows it. Callers cannot invent names. */
  async #claimedBy(text: string): Promise<string | undefined> {
    const token = parseToken(text);
    return token && (await this.#deps.store.get(token.cluster))?.cluster;
  }

  async #enrolWith(text: string, csr: string, { from, signal }: Required<CertificateRequester>): Promise<IssuedIdentity> {
    const { store, onEvent } = this.#deps;
    this.#assertWritable();
    const token = parseToken(text);
    if (token === undefined) throw new Refusal('bad-request', 'this is not an enrolment token');
    // Read before the token is used, so that a bad request can be corrected.
    const { publicKey, digest: key } = await readRequest(csr);
    const issue = this.#newIssue();
    const record = await store.update(token.cluster, (before) => enrol(before, { digest: digestOfToken(text), key }, issue));
    const { cluster, generation } = record;
    await onEvent({ reason: 'ClusterEnrolled', cluster, from, message: `Enrolled as generation ${generation}.` });
    signal.throwIfAborted();
    return this.#sign(record, issue, publicKey);
  }

  async #renewAs(peer: CertifiedCluster, csr: string, { from, signal }: Required<CertificateRequester>): Promise<IssuedIdentity> {
    const { store, limits, onEvent } = this.#deps;
    this.#assertWritable();
    const { publicKey } = await readRequest(csr);
    const issue = this.#newIssue();
    const record = await store.update(peer.cluster, (before) => renew(before, peer, issue, limits.graceMs));
    const message = `Certificate good until ${issue.expires.toISOString()}.`;
    await onEvent({ reason: 'CertificateRenewed', cluster: record.cluster, from, message });
    signal.throwIfAborted();
    return this.#sign(record, issue, publicKey);
  }
}
