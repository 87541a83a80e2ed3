import { type Clock, type Logger, messageOf, systemClock } from '../../runtime/index.ts';
import type { KubeClient } from '../client/client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../errors.ts';
import { LEASE_KIND, type Lease } from '../kinds.ts';
import { objectPath } from '../paths.ts';

/** Lease to compete for, the candidate, and the times of the lease. */
export interface LeaderElectionOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Name of the Lease. */
  readonly name: string;
  /** Identity, unique among the candidates. */
  readonly identity: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Time without a change of the lease after which a candidate takes it. Default 15 s. */
  readonly leaseDurationMs?: number;
  /**
   * Time without a renewal after which a leader steps down. Default 10 s; must be below
   * leaseDurationMs.
   */
  readonly renewDeadlineMs?: number;
  /** Interval at which a leader renews. Default 2 s. */
  readonly retryPeriodMs?: number;
}

type Settings = Required<Omit<LeaderElectionOptions, 'logger'>> & { readonly logger: Logger | undefined };

/**
 * Last state of the lease that a candidate saw, with the time of its own monotonic clock. Clocks of
 * different machines are never compared.
 */
interface Observation {
  readonly resourceVersion: string | undefined;
  readonly at: number;
}

/**
 * Interval of a candidate's checks, as a share of the renewal interval, so that it takes a released
 * lease within a second.
 */
const CANDIDATE_SHARE = 0.4;
const RELEASE_TIMEOUT_MS = 3_000;

/** Formats a MicroTime: RFC 3339 with six decimals, as the API server requires. */
const microTime = (date: Date): string => date.toISOString().replace('Z', '000Z');

class LostLeaseError extends Error {
  override readonly name = 'LostLeaseError';
}

class LeaseLock {
  readonly #settings: Settings;
  #observed: Observation = { resourceVersion: undefined, at: 0 };
  /** Lease as this candidate last wrote it, until a write fails. */
  #written: Lease | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** Acquires or renews the lease. @returns false if another candidate holds it */
  async acquireOrRenew(signal: AbortSignal): Promise<boolean> {
    return (await this.#renewKnown(signal)) || (await this.#acquireOrRenewRead(signal));
  }

  /**
   * Renews the lease as last written, like client-go: one request instead of two, which matters if
   * the API server or this process is slow.
   *
   * @returns false if there is no such lease, or it was changed since
   */
  async #renewKnown(signal: AbortSignal): Promise<boolean> {
    const known = this.#written;
    if (known === undefined) return false;
    this.#written = undefined;
    try {
      return await this.#put(known, this.#claim(known), signal);
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return false;
      throw error;
    }
  }

  async #acquireOrRenewRead(signal: AbortSignal): Promise<boolean> {
    const { client, namespace, name } = this.#settings;
    const current = await client.get(LEASE_KIND, { namespace, name }, signal);
    if (current !== undefined && this.#heldByOther(current)) return false;
    try {
      return current === undefined ? await this.#create(signal) : await this.#put(current, this.#claim(current), signal);
    } catch (error) {
      // Another candidate was faster.
      if (isConflict(error) || isAlreadyExists(error)) return false;
      throw error;
    }
  }

  /** Releases the lease, so that the next candidate can acquire it. */
  async release(signal: AbortSignal): Promise<void> {
    const { client, namespace, name, identity, clock } = this.#settings;
    const current = await client.get(LEASE_KIND, { namespace, name }, signal);
    if (current?.spec?.holderIdentity !== identity) return;
    const now = microTime(clock.now());
    await this.#put(current, { ...current.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: now, acquireTime: now }, signal);
  }

  #heldByOther(lease: Lease): boolean {
    const { clock, identity, leaseDurationMs } = this.#settings;
    const now = clock.monotonicMs();
    if (lease.metadata.resourceVersion !== this.#observed.resourceVersion) {
      this.#observed = { resourceVersion: lease.metadata.resourceVersion, at: now };
    }
    const holder = lease.spec?.holderIdentity ?? '';
    if (holder === '' || holder === identity) return false;
    const seconds = lease.spec?.leaseDurationSeconds;
    return now < this.#observed.at + (seconds === undefined ? leaseDurationMs : seconds * 1000);
  }

  #claim(current: Lease | undefined): NonNullable<Lease['spec']> {
    const { clock, identity, leaseDurationMs } = this.#settings;
    const now = microTime(clock.now());
    const mine = current?.spec?.holderIdentity === identity;
    const transitions = current?.spec?.leaseTransitions ?? 0;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.max(1, Math.ceil(leaseDurationMs / 1000)),
      renewTime: now,
      acquireTime: mine ? (current?.spec?.acquireTime ?? now) : now,
      leaseTransitions: current === undefined || mine ? transitions : transitions + 1,
    };
  }

  async #create(signal: AbortSignal): Promise<boolean> {
    const { client, namespace, name } = this.#settings;
    const { object } = await client.create(LEASE_KIND, { metadata: { namespace, name }, spec: this.#claim(undefined) }, {}, signal);
    this.#remember(object);
    return true;
  }

  /**
   * Updates instead of patching: with the resourceVersion, the update fails if another candidate
   * wrote meanwhile.
   */
  async #put(current: Lease, spec: NonNullable<Lease['spec']>, signal: AbortSignal): Promise<boolean> {
    const { client, namespace, name } = this.#settings;
    const body = { ...current, spec };
    const { object } = await client.raw<Lease>({ method: 'PUT', path: objectPath(LEASE_KIND, { namespace, name }), body }, signal);
    this.#remember(object);
    return true;
  }

  #remember(lease: Lease): void {
    this.#written = lease.spec?.holderIdentity === this.#settings.identity ? lease : undefined;
    this.#observed = { resourceVersion: lease.metadata.resourceVersion, at: this.#settings.clock.monotonicMs() };
  }
}

/** Waits until this candidate holds the lease. */
const becomeLeader = async (lock: LeaseLock, settings: Settings, signal: AbortSignal): Promise<void> => {
  let failing = false;
  for (;;) {
    try {
      if (await lock.acquireOrRenew(signal)) return;
      failing = false;
    } catch (error) {
      signal.throwIfAborted();
      if (!failing) settings.logger?.warn({ err: error, identity: settings.identity }, 'leader election failed, trying again');
      failing = true;
    }
    await settings.clock.sleep(settings.retryPeriodMs * CANDIDATE_SHARE, signal);
  }
};

/**
 * Tries one renewal until the deadline.
 *
 * @returns 'renewed', or the failure: 'failed' may be retried, 'taken' may not
 */
const renewOnce = async (lock: LeaseLock, leftMs: number, signal: AbortSignal): Promise<'renewed' | 'failed' | 'taken'> => {
  try {
    const attempt = AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, Math.ceil(leftMs)))]);
    return (await lock.acquireOrRenew(attempt)) ? 'renewed' : 'taken';
  } catch (error) {
    signal.throwIfAborted();
    return isNotFound(error) ? 'taken' : 'failed';
  }
};

/** Renews the lease until it is lost. @throws LostLeaseError, or the signal's reason */
const keepLease = async (lock: LeaseLock, settings: Settings, signal: AbortSignal): Promise<never> => {
  const { clock, renewDeadlineMs, retryPeriodMs } = settings;
  let renewedAt = clock.monotonicMs();
  for (;;) {
    const left = (): number => renewedAt + renewDeadlineMs - clock.monotonicMs();
    await clock.sleep(Math.max(0, Math.min(retryPeriodMs, left())), signal);
    if (left() <= 0) throw new LostLeaseError('the lease could not be renewed in time');
    // Counted from before the request, as other candidates cannot have seen the renewal earlier.
    const startedAt = clock.monotonicMs();
    const outcome = await renewOnce(lock, left(), signal);
    if (outcome === 'taken') throw new LostLeaseError('another candidate took the lease');
    if (outcome === 'renewed') renewedAt = startedAt;
  }
};

const isLost = (term: AbortSignal): boolean => term.reason instanceof LostLeaseError;

/**
 * Runs as the leader.
 *
 * @returns true if `run` ended by itself, false if the lease was lost
 * @throws errors of `run`
 */
const lead = async (
  lock: LeaseLock,
  settings: Settings,
  run: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<boolean> => {
  const term = new AbortController();
  const leaderSignal = AbortSignal.any([signal, term.signal]);
  const keeping = keepLease(lock, settings, leaderSignal).catch((error: unknown) => term.abort(error));
  try {
    await run(leaderSignal);
  } catch (error) {
    if (!leaderSignal.aborted) throw error;
  } finally {
    term.abort();
    await keeping;
    if (!isLost(term.signal)) await lock.release(AbortSignal.timeout(RELEASE_TIMEOUT_MS)).catch(() => undefined);
  }
  if (!isLost(term.signal)) return true;
  settings.logger?.warn({ identity: settings.identity, reason: messageOf(term.signal.reason) }, 'lost leadership');
  return false;
};

/**
 * Runs `run` while this process holds the Lease, by the rules of client-go's leader election. The
 * signal of `run` aborts when the lease is lost; then this process becomes a candidate again.
 * Resolves when the signal has aborted, or when `run` ended by itself; throws errors of `run`. In
 * all three cases the lease is released, so that another candidate takes over within a second.
 */
export const runAsLeader = async (
  options: LeaderElectionOptions,
  run: (leaderSignal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> => {
  const settings: Settings = {
    clock: systemClock,
    leaseDurationMs: 15_000,
    renewDeadlineMs: 10_000,
    retryPeriodMs: 2_000,
    ...options,
    logger: options.logger,
  };
  const { logger, identity } = settings;
  const lock = new LeaseLock(settings);
  while (!signal.aborted) {
    try {
      await becomeLeader(lock, settings, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    logger?.info({ identity }, 'became leader');
    if (await lead(lock, settings, run, signal)) return;
  }
};
