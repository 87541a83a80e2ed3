import type { DesiredConstraint } from '../enforce/types.ts';
import type { ClusterPlan } from '../plan/plan.ts';

type Actions = ClusterPlan['gatekeeper'];

interface Held {
  readonly wanted: DesiredConstraint;
  readonly changedAt: number;
  readonly since: number;
}

/** A constraint that did not change for this long in a storm is written. */
const QUIET_MS = 200;
/** Longest wait of a constraint that never stops changing. Lock 1, which does not wait, holds meanwhile. */
const LONGEST_MS = 2_000;
/** As many policies that lock 2 does not prove yet are a storm. */
const STORM = 16;

/**
 * Holds back writes of constraints while many policies arrive one after the other: each write is compiled anew, and
 * answered with a status, by every pod of Gatekeeper. A single change is never held.
 */
export class ConstraintThrottle {
  readonly #held = new Map<string, Held>();

  /** @param unproven how many policies lock 2 does not prove yet */
  due(
    plan: Pick<ClusterPlan, 'gatekeeper' | 'governance' | 'present'>,
    unproven: number,
    now: number,
  ): { actions: Actions; waitMs: number | undefined } {
    const wanted = new Map(plan.governance.constraints.map((constraint) => [`K8sGeoResidency/${constraint.name}`, constraint]));
    // All steps of a key go together: a repair must not be cut in two.
    const urgent = new Set(plan.gatekeeper.filter(({ type, reason }) => type === 'delete' || reason === 'Drift').map(({ key }) => key));
    const waiting = new Map<string, number>();
    for (const { key } of plan.gatekeeper) {
      const constraint = wanted.get(key);
      const mayWait = unproven >= STORM && constraint !== undefined && !urgent.has(key) && plan.present.has(key);
      const waitMs = mayWait ? this.#hold(key, constraint, now) : 0;
      if (waitMs > 0) waiting.set(key, waitMs);
      else this.#held.delete(key);
    }
    return {
      actions: waiting.size === 0 ? plan.gatekeeper : plan.gatekeeper.filter(({ key }) => !waiting.has(key)),
      waitMs: waiting.size === 0 ? undefined : Math.min(...waiting.values()),
    };
  }

  /** @returns how long to wait still, in ms */
  #hold(key: string, wanted: DesiredConstraint, now: number): number {
    const known = this.#held.get(key);
    const held = known?.wanted === wanted ? known : { wanted, changedAt: now, since: known?.since ?? now };
    this.#held.set(key, held);
    return Math.min(held.changedAt + QUIET_MS, held.since + LONGEST_MS) - now;
  }
}
