import type { ClusterPlan } from '../plan/plan.ts';

/** Longer than an API server takes to judge by a new policy, which is about a second. */
const TAKEN_UP_MS = 5_000;

/**
 * Holds back what of the floor and its guard is to go, e.g. the policies of an older version under other names, until what
 * takes its place has been there for a while and is proven, or will not be.
 */
export class FloorThrottle {
  #wholeSince: number | undefined;

  due(
    { floor }: Pick<ClusterPlan, 'floor'>,
    isProving: boolean,
    now: number,
  ): { actions: ClusterPlan['floor']; waitMs: number | undefined } {
    const writes = floor.filter(({ type }) => type !== 'delete');
    if (floor.length === 0 || writes.length > 0) {
      this.#wholeSince = undefined;
      return { actions: writes, waitMs: undefined };
    }
    this.#wholeSince ??= now;
    const waitMs = this.#wholeSince + TAKEN_UP_MS - now;
    if (waitMs > 0) return { actions: [], waitMs };
    // The next proof brings the next round.
    return { actions: isProving ? [] : floor, waitMs: undefined };
  }
}
