import { setImmediate } from 'node:timers/promises';
import type { SourceView, StatusView } from '@fso/shared/api';
import { isExpiring } from '@fso/shared/residency';
import { type Clock, coalesce, restAfter, ThreadSlices } from '@fso/shared/runtime';
import type { Visibility } from '../../access/index.ts';
import type { FleetState, LedgerChange } from '../../ledger/index.ts';
import { RequestWork } from '../http/limits/request-work.ts';
import { countFacts } from './cluster-entry.ts';
import { type Fleet, FleetIndex } from './fleet-index.ts';
import { countPhase, noPhases, worstPhase } from './phases.ts';

const countPolicies = (fleet: Fleet, now: number): StatusView['policies'] => {
  const phases = noPhases();
  let expiring = 0;
  for (const { tally, head } of fleet.policies()) {
    countPhase(phases, worstPhase(tally.phases));
    if (isExpiring(head()?.expiryDate, now)) expiring += 1;
  }
  return { ...phases, expiring };
};

/**
 * Builds the status of the fleet.
 *
 * @param now time by which expiry is computed, in milliseconds since 1970
 */
export const statusView = (fleet: Fleet, source: SourceView, { version, now }: { version: string; now: number }): StatusView => {
  const clusters = fleet.members();
  return {
    version,
    source,
    clusters: {
      total: clusters.length,
      ...countFacts(clusters),
      // Includes retired clusters, because their kept reports take memory.
      notAllKept: countFacts(fleet.clusters()).notAllKept,
    },
    policies: countPolicies(fleet, now),
    violations: clusters.reduce((sum, { violations }) => sum + violations, 0),
  };
};

/** State of the source before the end of the first fetch. */
const UNREAD: SourceView = { url: '', ref: '', revision: null, rejected: null, error: null, lastFetch: null };

/** Ledger that the index follows, with its time slices. */
export interface FleetReaderDeps {
  readonly ledger: Pick<FleetState, 'desired' | 'clusters' | 'source' | 'subscribe'>;
  readonly clock: Clock;
  /** Version of the hub, shown in its status. */
  readonly version: string;
  /** Time slices that updates share with requests. Default: own slices. */
  readonly slices?: ThreadSlices;
  /** Reads which part of the fleet the ledger shows; undefined: all of it. */
  readonly readVisibility?: () => Promise<Pick<Visibility, 'seesEverywhere'>>;
}

/** Dependency of parts that read the fleet. */
export interface FleetDeps {
  readonly fleet: FleetReader;
}

/** Time for which an index follows the ledger after it was last read, in milliseconds. */
const FOLLOWED_MS = 60_000;
/**
 * Bounds of the time for which changes are collected before an update, in milliseconds. Updates
 * take at most a tenth of the time, because a cluster may change many times between two reads.
 */
const GATHERED = { minMs: 250, maxMs: 5_000 };

/**
 * Reader of the fleet as it is in the ledger, part of step ⑨. Routes, stream, metrics and trend of
 * the whole hub share one; each requested scope has its own.
 *
 * An index that was read within the last minute is updated in the background, so a reader waits for
 * a few seconds' changes at most. An index that is not read is not updated.
 */
export class FleetReader {
  readonly slices: ThreadSlices;
  readonly #deps: FleetReaderDeps;
  readonly #index = new FleetIndex();
  readonly #work: RequestWork;
  readonly #update = coalesce(() => this.#updateOnce());
  /** Resolves once readers have used the fleet of the last update. */
  #used: Promise<unknown> = Promise.resolve();
  #readAtMs = 0;
  #unsubscribe: (() => void) | undefined;
  /** Whether a background update is scheduled. */
  #isDue: boolean = false;
  #spentMs = 0;
  /** CPU time of the last update, in milliseconds. */
  #tookMs = 0;

  constructor(deps: FleetReaderDeps) {
    this.#deps = deps;
    this.slices = deps.slices ?? new ThreadSlices();
    this.#work = new RequestWork(this.slices);
    this.#work.chargeTo((ms) => {
      this.#spentMs += ms;
    });
  }

  /** CPU time of all updates so far, in milliseconds. */
  get spentMs(): number {
    return this.#spentMs;
  }

  /** Version of the hub. */
  get version(): string {
    return this.#deps.version;
  }

  /**
   * Updates the index to the current state of the ledger, in time slices.
   *
   * @returns the fleet; use it before the next await, because the next update changes it
   */
  async read(): Promise<Fleet> {
    const { ledger, clock } = this.#deps;
    this.#readAtMs = clock.monotonicMs();
    this.#unsubscribe ??= ledger.subscribe((change) => this.#follow(change));
    await this.#update();
    return this.#index;
  }

  /**
   * Returns the state of the policy repository; until the first fetch has ended, one without a URL.
   */
  async readSource(): Promise<SourceView> {
    return (await this.#deps.ledger.source()) ?? UNREAD;
  }

  /** Returns the status of the fleet. */
  async readStatus(): Promise<StatusView> {
    const source = await this.readSource();
    return statusView(await this.read(), source, { version: this.#deps.version, now: this.now() });
  }

  /** Current time in milliseconds since 1970. */
  now(): number {
    return this.#deps.clock.now().getTime();
  }

  /**
   * Updates the index. Starts in a later turn of the event loop than the end of the previous
   * update, so that its readers use the index first.
   */
  async #updateOnce(): Promise<void> {
    await this.#used;
    const { ledger, readVisibility } = this.#deps;
    const [desired, clusters, visibility] = await Promise.all([ledger.desired(), ledger.clusters(), readVisibility?.()]);
    const before = this.#spentMs;
    await this.#work.each(this.#index.steps({ desired, clusters, visibility }), () => undefined, undefined, 1);
    this.#tookMs = this.#spentMs - before;
    this.#used = setImmediate();
  }

  #follow({ kind }: LedgerChange): void {
    if (this.#isDue || (kind !== 'cluster' && kind !== 'desired')) return;
    this.#isDue = true;
    // The next reader gets the error.
    this.#updateSoon().catch(() => undefined);
  }

  async #updateSoon(): Promise<void> {
    const { clock } = this.#deps;
    await clock.sleep(restAfter(this.#tookMs, GATHERED), new AbortController().signal);
    this.#isDue = false;
    if (clock.monotonicMs() - this.#readAtMs <= FOLLOWED_MS) return this.#update();
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }
}
