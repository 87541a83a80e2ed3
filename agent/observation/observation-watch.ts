import type { ClusterEvent } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import type { ObservationLimits } from './limits.ts';
import type { Cause, ClusterObservation } from './observation.ts';

export interface ObservationWatchDeps {
  /** Clock that leaves pauses out: the time for which the agent slept is not reported. */
  readonly clock: Clock;
  readonly limits: Pick<ObservationLimits, 'eventMs' | 'shownMs'>;
  readonly observation: Pick<ClusterObservation, 'ages' | 'causes'>;
  readonly events: { ofCluster(event: Omit<ClusterEvent, 'time'>): void };
  /** Called where other things may be claimed than before. */
  readonly onChange: () => void;
}

const TICK_MS = 1_000;
/** Time in which a cause is reported once, in ms. */
const REPEAT_MS = 600_000;

/**
 * Watches for observations that are out of date: reports them, and requests a round where that
 * changes what may be claimed.
 */
export class ObservationWatch {
  readonly #deps: ObservationWatchDeps;
  #outOfDate = '';
  /** Time since which something is out of date, monotonic ms; undefined: nothing is. */
  #sinceMs: number | undefined;
  /** Time since which nothing is out of date, monotonic ms. */
  #currentSinceMs: number | undefined;
  #isShown: boolean = false;
  #isTold: boolean = false;
  /** Time of the last event of each cause, by its id; monotonic ms. */
  readonly #toldAtMs = new Map<string, number>();

  constructor(deps: ObservationWatchDeps) {
    this.#deps = deps;
  }

  /**
   * Whether something has been out of date for so long that the policies in the cluster show it.
   */
  get isShown(): boolean {
    return this.#isShown;
  }

  /** Looks each second until the signal aborts. */
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
    this.#tell(now);
    if (isChanged) onChange();
  }

  #tell(now: number): void {
    const { eventMs } = this.#deps.limits;
    if (this.#sinceMs !== undefined && now - this.#sinceMs >= eventMs) this.#tellCauses(now);
    if (this.#isTold && this.#currentSinceMs !== undefined && now - this.#currentSinceMs >= eventMs) this.#tellEnd();
  }

  #tellCauses(now: number): void {
    const isDue = ({ id }: Cause): boolean => now - (this.#toldAtMs.get(id) ?? Number.NEGATIVE_INFINITY) >= REPEAT_MS;
    const due = this.#deps.observation.causes().filter(isDue);
    if (due.length === 0) return;
    for (const { id } of due) this.#toldAtMs.set(id, now);
    this.#isTold = true;
    const message = `not observed: ${due.map(({ text }) => text).join('; ')}; nothing counts as proven until it is`;
    this.#deps.events.ofCluster({ severity: 'warning', reason: 'NotObserved', message: message.slice(0, 4_096) });
  }

  #tellEnd(): void {
    this.#isTold = false;
    this.#deps.events.ofCluster({ severity: 'info', reason: 'ObservedAgain', message: 'everything is observed again' });
  }
}
