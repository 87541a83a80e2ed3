import { setImmediate } from 'node:timers/promises';
import type { SourceView, StatusView } from '@fso/shared/api';
import { isExpiring } from '@fso/shared/residency';
import { type Clock, coalesce, restAfter } from '@fso/shared/runtime';
import type { Visibility } from '../../access/index.ts';
import type { FleetState, LedgerChange } from '../../ledger/index.ts';
import { RequestWork, ThreadSlices } from '../http/limits/request-work.ts';
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

/** The fleet in numbers. @param now what expiry is compared with: ms since 1970 */
export const statusView = (fleet: Fleet, source: SourceView, { version, now }: { version: string; now: number }): StatusView => {
  const clusters = fleet.members();
  return {
    version,
    source,
    clusters: {
      total: clusters.length,
      ...countFacts(clusters),
      // Also of one that is retired: what is kept of it takes memory.
      notAllKept: countFacts(fleet.clusters()).notAllKept,
    },
    policies: countPolicies(fleet, now),
    violations: clusters.reduce((sum, { violations }) => sum + violations, 0),
  };
};

/** State of the source before the first fetch has ended. */
const UNREAD: SourceView = { url: '', ref: '', revision: null, rejected: null, error: null, lastFetch: null };

/** Ledger that the index follows, and the time that it may take. */
export interface FleetReaderDeps {
  readonly ledger: Pick<FleetState, 'desired' | 'clusters' | 'source' | 'subscribe'>;
  readonly clock: Clock;
  /** Version of the hub, a part of its status. */
  readonly version: string;
  /** Slices of time that updates of the index take turns in. Default: slices of its own. */
  readonly slices?: ThreadSlices;
  /** Reads which part of the fleet the ledger shows. Absent: all of it. */
  readonly readVisibility?: () => Promise<Pick<Visibility, 'seesEverywhere'>>;
}

/** Dependency of all packages that read the fleet. */
export interface FleetDeps {
  readonly fleet: FleetReader;
}

/** Milliseconds for which an index follows the ledger after it was read. */
const FOLLOWED_MS = 60_000;
/**
 * Least and greatest time in which changes gather before the index follows them, in ms: it takes a
 * tenth of the time at most, as a cluster may change many times before anybody asks.
 */
const GATHERED = { minMs: 250, maxMs: 5_000 };

/**
 * Step ⑨, its reads: the fleet as a ledger has it now. One for the whole hub, whose routes, stream,
 * metrics and trend share its index, and one for each scope that is asked for.
 *
 * An index that was read within the last minute follows the ledger by itself, so that a reader
 * waits for the changes of a few seconds at most and not for all since the one before. For one that
 * nobody reads nothing is done.
 */
export class FleetReader {
  readonly slices: ThreadSlices;
  readonly #deps: FleetReaderDeps;
  readonly #index = new FleetIndex();
  readonly #work: RequestWork;
  readonly #update = coalesce(() => this.#updateOnce());
  /** Resolves once the fleet as of the last update has been used. */
  #used: Promise<unknown> = Promise.resolve();
  #readAtMs = 0;
  #unsubscribe: (() => void) | undefined;
  /** Whether an update is due that no reader has asked for. */
  #isDue: boolean = false;
  #spentMs = 0;
  /** Part of it that the last update took. */
  #tookMs = 0;

  constructor(deps: FleetReaderDeps) {
    this.#deps = deps;
    this.slices = deps.slices ?? new ThreadSlices();
    this.#work = new RequestWork(this.slices);
    this.#work.chargeTo((ms) => {
      this.#spentMs += ms;
    });
  }

  /** Processor time of all updates of the index so far, in milliseconds. */
  get spentMs(): number {
    return this.#spentMs;
  }

  /** Version of the hub. */
  get version(): string {
    return this.#deps.version;
  }

  /**
   * Brings the index up to date with what the ledger has now, in slices of time.
   *
   * @returns the fleet, to be used before the next await: the next update changes it
   */
  async read(): Promise<Fleet> {
    const { ledger, clock } = this.#deps;
    this.#readAtMs = clock.monotonicMs();
    this.#unsubscribe ??= ledger.subscribe((change) => this.#follow(change));
    await this.#update();
    return this.#index;
  }

  /** The policy repository; before the first fetch has ended, one without a URL. */
  async readSource(): Promise<SourceView> {
    return (await this.#deps.ledger.source()) ?? UNREAD;
  }

  /** The fleet in numbers. */
  async readStatus(): Promise<StatusView> {
    const source = await this.readSource();
    return statusView(await this.read(), source, { version: this.#deps.version, now: this.now() });
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#deps.clock.now().getTime();
  }

  /**
   * Updates the index, beginning in a later turn of the event loop than the one in which the update
   * before ended: those who waited for that one use the index first.
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
