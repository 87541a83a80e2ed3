import { type Allowance, type Clock, createAllowance, dropOldest } from '@fso/shared/runtime';
import { ApiError } from '../problems.ts';

/**
 * Budget of the thread's time for the lists of one caller, in milliseconds: burst, and rate per
 * second. Half of the time remains for other work.
 */
const BUDGET = { burst: 10_000, perSecond: 500 };
/** Maximum number of remembered callers. The one that has not called for longest is dropped. */
const CALLERS = 10_000;

/**
 * Budgets of the time for which each caller occupies the main thread. They limit the cost of calls,
 * not their number.
 */
export class ThreadBudgets {
  readonly #clock: Clock;
  readonly #budgets = new Map<string, Allowance>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws ApiError `too-many-requests` if the caller has used up its budget */
  assertLeft(caller: string): void {
    const owedMs = this.#budgets.get(caller)?.charge(0) ?? 0;
    if (owedMs === 0) return;
    const headers = { 'Retry-After': String(Math.ceil(owedMs / 1000)) };
    throw new ApiError('too-many-requests', 'Your lists keep the hub busy. Ask less often, or for less at a time with filters.', headers);
  }

  /** @param ms CPU time that the caller has used */
  charge(caller: string, ms: number): void {
    const budget = this.#budgets.get(caller) ?? createAllowance(this.#clock, BUDGET);
    this.#budgets.delete(caller);
    this.#budgets.set(caller, budget);
    dropOldest(this.#budgets, CALLERS);
    budget.charge(ms);
  }
}
