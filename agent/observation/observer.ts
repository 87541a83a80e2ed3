import type { Ages } from '@fso/shared/protocol';
import { type Clock, type Logger, PauseDetector } from '@fso/shared/runtime';
import type { Claim } from './evidence.ts';
import type { ObservationLimits } from './limits.ts';
import { ClusterObservation, type KindState } from './observation.ts';
import { ObservationWatch, type ObservationWatchDeps } from './observation-watch.ts';
import { RoundParts } from './round-parts.ts';

/** The cache of the cluster. */
interface ObservedCache {
  /** Every kind that is read, by informer. */
  kinds(): readonly KindState[];
  /** Counts all changes: the same number says that nothing differs. */
  readonly version: number;
  /** Lists every kind again; returns once each was seen since, or cannot be. */
  relistAll(clock: Clock, signal: AbortSignal): Promise<void>;
}

export interface ObserverDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: ObservationLimits;
  readonly cache: ObservedCache;
  readonly events: ObservationWatchDeps['events'];
  /** Called where another round may say something else. */
  readonly onChange: () => void;
}

/** Observes the cluster for one leader: how old its evidence is, when it has to look again, and what a pause makes unknown. */
export class Observer {
  readonly parts: RoundParts;
  /** The clock of which pauses are no part: how long something lasted does not count the time in which nobody could look. */
  readonly awake: Clock;
  readonly #deps: ObserverDeps;
  readonly #signal: AbortSignal;
  readonly #pauses: PauseDetector;
  readonly #observation: ClusterObservation;
  readonly #watch: ObservationWatch;
  /** Pauses after which not all kinds have been listed yet. */
  #relists = 0;
  /** All kinds were listed after a pause: the next round that begins ends it. */
  #mayResume: boolean = false;
  /** The round that ends a pause is under way. */
  #isResuming: boolean = false;
  /** Something has changed since the last round that the version of the cache does not show. */
  #isDirty: boolean = true;
  /** Version of the cache in the last round. */
  #version = 0;
  /** When a round is due because of the time alone, monotonic ms. */
  #dueMs = 0;

  constructor(deps: ObserverDeps, signal: AbortSignal) {
    const { clock, logger, limits, cache, events, onChange } = deps;
    this.#deps = deps;
    this.#signal = signal;
    this.#pauses = new PauseDetector({ clock, lateMs: limits.pauseMs });
    this.awake = this.#pauses.awakeClock();
    this.parts = new RoundParts({ clock, onFailure: (part, error) => logger.error({ err: error, part }, 'a part of the round failed') });
    this.#observation = new ClusterObservation({ clock, limits, kinds: () => cache.kinds(), parts: this.parts });
    this.#watch = new ObservationWatch({ clock: this.awake, limits, observation: this.#observation, events, onChange });
    this.#pauses.onPause((pausedMs) => this.#startOver(pausedMs));
  }

  /** Works until the signal aborts; after it nothing counts as known, as what a term found out says nothing of what comes later. */
  async run(): Promise<void> {
    await Promise.all([this.#pauses.run(this.#signal), this.#watch.run(this.#signal)]);
    this.#observation.pause();
  }

  ages(): Ages {
    return this.#observation.ages();
  }

  /** Why a claim cannot be made now, for people; undefined: it can. */
  problemOf(claim: Claim): string | undefined {
    return this.#observation.problemOf(claim);
  }

  /** Whether something has been out of date for so long that the policies in the cluster show it. */
  isShown(): boolean {
    return this.#watch.isShown;
  }

  /** Share of the last minute's timers that were late, from 0 to 1. */
  lateShare(): number {
    return this.#pauses.lateShare();
  }

  /** The next round may not be left out. */
  invalidate(): void {
    this.#isDirty = true;
  }

  /** Confirms that nothing has changed and nothing is due, so that a round would plan the same. @returns false: a round is needed */
  confirm(): boolean {
    const isSame = !this.#isDirty && this.#deps.cache.version === this.#version;
    const isIdle = isSame && this.#deps.clock.monotonicMs() < this.#dueMs && !this.parts.hasFailed;
    if (isIdle) this.parts.confirm();
    return isIdle;
  }

  beginRound(): void {
    this.#isDirty = false;
    this.#version = this.#deps.cache.version;
    this.#isResuming = this.#mayResume;
    this.#mayResume = false;
    this.parts.begin();
  }

  endRound(): void {
    this.parts.end();
    if (!this.#isResuming || this.#relists > 0) return;
    this.#observation.resume();
    this.#watch.look();
  }

  /** @param dueInMs until a round is due because of the time alone @returns ms until the next look */
  nextLookMs(dueInMs: number): number {
    this.#dueMs = this.#deps.clock.monotonicMs() + dueInMs;
    return this.lookAgainMs();
  }

  /** @returns ms until the next look, after one that found nothing new */
  lookAgainMs(): number {
    return Math.max(1, Math.min(this.#deps.limits.lookMs, this.#dueMs - this.#deps.clock.monotonicMs()));
  }

  /** After a pause nothing is known until all kinds are listed and a round is planned again. */
  #startOver(pausedMs: number): void {
    const { clock, logger, cache } = this.#deps;
    logger.warn({ pausedMs: Math.round(pausedMs) }, 'this process did not run for a while: everything is read again');
    this.#observation.pause();
    this.#relists += 1;
    const done = (): void => {
      this.#relists -= 1;
      this.#mayResume = this.#relists === 0;
      this.invalidate();
      this.#deps.onChange();
    };
    // It rejects once the term has ended.
    cache.relistAll(clock, this.#signal).then(done, () => undefined);
  }
}
