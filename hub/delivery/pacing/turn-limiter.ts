import type { Clock } from '@fso/shared/runtime';

/**
 * Moving average of the time from one agent that is done to the next: its first value, the weight
 * of each further one, and the most that one counts, as the first ones after an outage are slow.
 */
const PACE = { firstMs: 10, weight: 0.05, maxMs: 25 };

/**
 * Limits how many agents have a turn at a time, such as the time between their hello and their
 * first frame; the others wait in the order in which they came. After an outage all come back at
 * once, and each may have everything to report.
 */
export class TurnLimiter {
  readonly #places: number;
  #taken = 0;
  readonly #waiting = new Set<() => void>();
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #paceMs = PACE.firstMs;
  /** Monotonic time at which the last agent was done while others waited. */
  #doneAt: number | undefined;

  /** @param places number of agents that have a turn at a time */
  constructor(places: number, clock: Pick<Clock, 'monotonicMs'>) {
    this.#places = places;
    this.#clock = clock;
  }

  /**
   * Milliseconds from one agent that is done to the next, averaged over the last ones while others
   * waited.
   */
  get paceMs(): number {
    return this.#paceMs;
  }

  /** Number of agents that wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when it is the agent's turn.
   *
   * @returns a function that ends the turn; only its first call counts
   * @throws the signal's reason if it aborts before
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#taken < this.#places) this.#taken += 1;
    else await this.#wait(signal);
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      // The next agent takes over the place.
      const [next] = this.#waiting;
      this.#notePace(next !== undefined);
      if (next === undefined) this.#taken -= 1;
      else next();
    };
  }

  #notePace(othersWait: boolean): void {
    const now = this.#clock.monotonicMs();
    if (this.#doneAt !== undefined) this.#paceMs += (Math.min(now - this.#doneAt, PACE.maxMs) - this.#paceMs) * PACE.weight;
    this.#doneAt = othersWait ? now : undefined;
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        this.#waiting.delete(turn);
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.#waiting.delete(turn);
        reject(signal.reason);
      };
      this.#waiting.add(turn);
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}
