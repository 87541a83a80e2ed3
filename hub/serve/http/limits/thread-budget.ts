import { type Allowance, type Clock, createAllowance, dropOldest } from '@fso/shared/runtime';
import { ApiError } from '../problems.ts';

/** Milliseconds of the thread that lists of one caller may take: at once, and a second. Half of it remains for all else. */
const BUDGET = { burst: 10_000, perSecond: 500 };
/** Callers remembered; the one that has not called for longest goes first. */
const CALLERS = 10_000;

/**
 * Budgets of the time for which each caller occupies the shared thread. They count the cost of
 * calls and not their number.
 */
export class ThreadBudgets {
  readonly #clock: Clock;
  readonly #budgets = new Map<string, Allowance>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws ApiError `too-many-requests` for a caller that has used up its budget */
  assertLeft(caller: string): void {
    const owedMs = this.#budgets.get(caller)?.charge(0) ?? 0;
    if (owedMs === 0) return;
    const headers = { 'Retry-After': String(Math.ceil(owedMs / 1000)) };
    throw new ApiError('too-many-requests', 'Your lists keep the hub busy. Ask less often, or for less at a time with filters.', headers);
  }

  /** @param ms of processor time that the caller has used */
  charge(caller: string, ms: number): void {
    const budget = this.#budgets.get(caller) ?? createAllowance(this.#clock, BUDGET);
    this.#budgets.delete(caller);
    this.#budgets.set(caller, budget);
    dropOldest(this.#budgets, CALLERS);
    budget.charge(ms);
  }
}
