import { type Allowance, type Clock, createAllowance } from '@fso/shared/runtime';

/**
 * Least time between two rounds, or as long as a round takes: writes that went out together come
 * back together, and so do proofs.
 */
const SPACING_MS = 10;
/**
 * Time for rounds, in ms: enough at once for all rounds of one change among thousands of policies,
 * then a fourth of the time.
 */
const PLANNING = { burst: 1_000, perSecond: 250 } as const;
/**
 * Number of waiting writes and proofs from which on a round is charged several times its cost, as
 * it only adds to them.
 */
const STORM = { size: 16, cost: 3 } as const;
/** Largest charge of one round, in ms. The next round may find something to repair at once. */
const LONGEST_CHARGE = 500;

/** Paces rounds by the time that they take (docs/adr/0048-what-a-commit-costs.md). */
export class PlanningPace {
  readonly #clock: Clock;
  readonly #allowance: Allowance;
  /** Earliest time of the next round, monotonic ms. */
  #restUntil = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#allowance = createAllowance(clock, PLANNING);
  }

  /** Ms until the next round may begin. */
  get restMs(): number {
    return Math.max(this.#allowance.charge(0), this.#restUntil - this.#clock.monotonicMs());
  }

  /**
   * @param tookMs the time that a round took @param waiting writes and proofs that wait for their
   * turn
   */
  charge(tookMs: number, waiting: number): void {
    const isStorm = waiting >= STORM.size;
    this.#allowance.charge(Math.min(LONGEST_CHARGE, tookMs * (isStorm ? STORM.cost : 1)));
    this.#restUntil = this.#clock.monotonicMs() + Math.max(SPACING_MS, tookMs);
  }
}
