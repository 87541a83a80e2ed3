import { type ClusterEvent, MAX_MESSAGE } from '@fso/shared/api';
import type { Ages } from '@fso/shared/protocol';
import { type Clock, type PauseDetector, type Runtime, truncate } from '@fso/shared/runtime';
import type { Claim } from './evidence.ts';
import type { ObservationLimits } from './limits.ts';
import { type Cause, ClusterObservation, type KindState } from './observation.ts';
import { RoundParts } from './round-parts.ts';

interface ObservationWatchDeps {
  /** Clock without pauses, so that time in suspension is not reported. */
  readonly clock: Clock;
  readonly limits: Pick<ObservationLimits, 'eventMs' | 'shownMs'>;
  readonly observation: Pick<ClusterObservation, 'ages' | 'causes'>;
  readonly events: { ofCluster(event: Omit<ClusterEvent, 'time'>): void };
  /** Called when the claims that may be made have changed. */
  readonly onChange: () => void;
}

const TICK_MS = 1_000;
/** Time within which a cause is reported once, in ms. */
const REPEAT_MS = 600_000;

/**
 * Watches for outdated observations. Reports them, and requests a reconcile if the claims that may
 * be made have changed.
 */
export class ObservationWatch {
  readonly #deps: ObservationWatchDeps;
  #outOfDate = '';
  /** Time since which something is out of date, monotonic ms; undefined if nothing is. */
  #sinceMs: number | undefined;
  /** Time since which nothing is out of date, monotonic ms. */
  #currentSinceMs: number | undefined;
  #isShown: boolean = false;
  #isRecorded: boolean = false;
  /** Time of the last event of each cause, by its id; monotonic ms. */
  readonly #loggedAtMs = new Map<string, number>();

  constructor(deps: ObservationWatchDeps) {
    this.#deps = deps;
  }

  /**
   * Whether something has been out of date for so long that the policies in the cluster show it.
   */
  get isShown(): boolean {
    return this.#isShown;
  }

  /** Checks every second until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.look();
      await this.#deps.clock.sleep(TICK_MS, signal).catch(() => undefined);
    }
  }

  look(): void {
    const { observation, clock, limits, onChange } = this.#deps;
    const { outOfDate } = observation.ages();
    const now = clock.monotonicMs();
    this.#sinceMs = outOfDate.length === 0 ? undefined : (this.#sinceMs ?? now);
    this.#currentSinceMs = outOfDate.length === 0 ? (this.#currentSinceMs ?? now) : undefined;
    const isShown = this.#sinceMs !== undefined && now - this.#sinceMs >= limits.shownMs;
    const names = outOfDate.join(' ');
    const isChanged = names !== this.#outOfDate || isShown !== this.#isShown;
    this.#outOfDate = names;
    this.#isShown = isShown;
    this.#report(now);
    if (isChanged) onChange();
  }

  #report(now: number): void {
    const { eventMs } = this.#deps.limits;
    if (this.#sinceMs !== undefined && now - this.#sinceMs >= eventMs) this.#reportCauses(now);
    if (this.#isRecorded && this.#currentSinceMs !== undefined && now - this.#currentSinceMs >= eventMs) this.#recordEnd();
  }

  #reportCauses(now: number): void {
    const isDue = ({ id }: Cause): boolean => now - (this.#loggedAtMs.get(id) ?? Number.NEGATIVE_INFINITY) >= REPEAT_MS;
    const due = this.#deps.observation.causes().filter(isDue);
    if (due.length === 0) return;
    for (const { id } of due) this.#loggedAtMs.set(id, now);
    this.#isRecorded = true;
    const message = `not observed: ${due.map(({ text }) => text).join('; ')}; nothing counts as proven until it is`;
    this.#deps.events.ofCluster({ severity: 'warning', reason: 'NotObserved', message: truncate(message, MAX_MESSAGE) });
  }

  #recordEnd(): void {
    this.#isRecorded = false;
    this.#deps.events.ofCluster({ severity: 'info', reason: 'ObservedAgain', message: 'everything is observed again' });
  }
}

/** Cache of the cluster. */
interface ObservedCache {
  /** Every kind that is read, with its informer. */
  kinds(): readonly KindState[];
  /** Number of changes that a reconcile would see. An equal number means that there are none. */
  readonly version: number;
}

/** Caches, pauses and receivers of findings. */
export interface ObserverDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly limits: ObservationLimits;
  readonly cache: ObservedCache;
  /** Pauses of this process. */
  readonly pauses: PauseDetector;
  readonly events: ObservationWatchDeps['events'];
  /** Called when a reconcile may have another result. */
  readonly onChange: () => void;
}

/** Share of late timers above which the process counts as starved of CPU. */
const STARVED_SHARE = 0.2;

/**
 * Observes the cluster for one leader: the age of its evidence, the time of the next reconcile, and
 * what a pause makes unknown.
 */
export class Observer {
  readonly parts: RoundParts;
  /**
   * Clock without pauses: a duration does not include time in which the agent could not observe.
   */
  readonly awake: Clock;
  readonly #deps: ObserverDeps;
  readonly #signal: AbortSignal;
  readonly #observation: ClusterObservation;
  readonly #watch: ObservationWatch;
  /** Whether a reconcile is running. One that throws has no result, and this stays true. */
  #isRunning: boolean = false;
  /**
   * Whether something has changed since the last reconcile that the version of the cache does not
   * show.
   */
  #isDirty: boolean = true;
  /** Version of the cache in the last reconcile. */
  #version = 0;
  /** Time at which a reconcile is due even without a change, monotonic ms. */
  #dueMs = 0;
  #isStarved: boolean = false;

  constructor(deps: ObserverDeps, signal: AbortSignal) {
    const { clock, logger, limits, cache, pauses, events, onChange } = deps;
    this.#deps = deps;
    this.#signal = signal;
    this.awake = pauses.awakeClock();
    this.parts = new RoundParts({ clock, onFailure: (part, error) => logger.error({ err: error, part }, 'a part of the round failed') });
    this.#observation = new ClusterObservation({ clock, limits, kinds: () => cache.kinds(), parts: this.parts, pauses });
    this.#watch = new ObservationWatch({ clock: this.awake, limits, observation: this.#observation, events, onChange });
  }

  /**
   * Runs until the signal aborts. Then nothing counts as known, because the findings of a leader's
   * term do not hold later.
   */
  async run(): Promise<void> {
    const stop = this.#deps.pauses.onPause(() => this.#discard());
    await this.#watch.run(this.#signal);
    stop();
    this.#observation.end();
  }

  ages(): Ages {
    return this.#observation.ages();
  }

  /**
   * Reads the ages once.
   *
   * @returns function that gives the reason why a claim cannot be made now, for people; undefined
   * if it can
   */
  problems(): (claim: Claim) => string | undefined {
    return this.#observation.problems();
  }

  /**
   * Whether something has been out of date for so long that the policies in the cluster show it.
   */
  isShown(): boolean {
    return this.#watch.isShown;
  }

  /** Makes the next reconcile necessary. */
  invalidate(): void {
    this.#isDirty = true;
  }

  /**
   * Confirms the last reconcile if nothing has changed and nothing is due, so that a reconcile
   * would give the same plan.
   *
   * @returns false if a reconcile is needed
   */
  confirm(): boolean {
    const isSame = !this.#isRunning && !this.#isDirty && this.#deps.cache.version === this.#version;
    const isIdle = isSame && this.#deps.clock.monotonicMs() < this.#dueMs && !this.parts.hasFailed;
    if (isIdle) this.parts.confirm();
    return isIdle;
  }

  beginRound(): void {
    this.#noteStarved();
    this.#isRunning = true;
    this.#isDirty = false;
    this.#version = this.#deps.cache.version;
    this.parts.begin();
  }

  endRound(): void {
    this.#isRunning = false;
    this.parts.end();
  }

  /**
   * Sets when a reconcile is due even without a change.
   *
   * @param dueInMs time until then
   * @returns time in ms until the next check
   */
  nextLookMs(dueInMs: number): number {
    this.#dueMs = this.#deps.clock.monotonicMs() + dueInMs;
    return this.lookAgainMs();
  }

  /** @returns time in ms until the next check, after one that found nothing new */
  lookAgainMs(): number {
    return Math.max(1, Math.min(this.#deps.limits.lookMs, this.#dueMs - this.#deps.clock.monotonicMs()));
  }

  #noteStarved(): void {
    const lateShare = this.#deps.pauses.lateShare();
    const isStarved = lateShare > STARVED_SHARE;
    if (isStarved && !this.#isStarved) this.#deps.logger.warn({ lateShare }, 'this process gets too little processor time');
    this.#isStarved = isStarved;
  }

  /**
   * Discards all observations after a pause. They count again once all kinds are listed and a
   * reconcile has been planned.
   */
  #discard(): void {
    this.parts.forget();
    this.invalidate();
    this.#deps.onChange();
  }
}
