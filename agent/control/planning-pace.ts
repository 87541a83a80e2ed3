import { type Allowance, type Clock, createAllowance } from '@fso/shared/runtime';

/**
 * Shortest time between two reconciles, in ms. It also is at least the duration of a reconcile:
 * writes sent together return together, and so do proofs.
 */
const SPACING_MS = 10;
/**
 * Time budget of reconciles, in ms: a burst for all reconciles of one change among thousands of
 * policies, then a quarter of the time.
 */
const PLANNING = { burst: 1_000, perSecond: 250 } as const;
/**
 * Number of waiting writes and proofs from which on a reconcile is charged a multiple of its cost,
 * as it only adds to them.
 */
const STORM = { size: 16, cost: 3 } as const;
/** Largest charge of one reconcile, in ms, because the next one may find something to repair. */
const LONGEST_CHARGE = 500;

/** Paces reconciles by their duration (docs/adr/0048-what-a-commit-costs.md). */
export class PlanningPace {
  readonly #clock: Clock;
  readonly #allowance: Allowance;
  /** Earliest time of the next reconcile, monotonic ms. */
  #restUntil = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#allowance = createAllowance(clock, PLANNING);
  }

  /** Time in ms until the next reconcile may begin. */
  get restMs(): number {
    return Math.max(this.#allowance.charge(0), this.#restUntil - this.#clock.monotonicMs());
  }

  /**
   * Charges a reconcile.
   *
   * @param tookMs its duration
   * @param waiting number of writes and proofs that wait for their turn
   */
  charge(tookMs: number, waiting: number): void {
    const isStorm = waiting >= STORM.size;
    this.#allowance.charge(Math.min(LONGEST_CHARGE, tookMs * (isStorm ? STORM.cost : 1)));
    this.#restUntil = this.#clock.monotonicMs() + Math.max(SPACING_MS, tookMs);
  }
}
