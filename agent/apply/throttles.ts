import { weakMemo } from '@fso/shared/runtime';
import type { Action, DesiredConstraint } from '../enforce/index.ts';
import type { ClusterPlan } from '../plan/index.ts';

/** Actions of a plan that may run now. */
export interface DueActions {
  readonly actions: readonly Action[];
  /** Time in ms until the next held action may run; undefined if none waits for time. */
  readonly waitMs: number | undefined;
}

interface HeldWrite {
  readonly wanted: DesiredConstraint;
  readonly changedAt: number;
  readonly since: number;
}

/** Time without a change after which a constraint is written during a storm, in ms. */
const QUIET_MS = 200;
/**
 * Longest wait of a constraint that keeps changing, in ms. Lock 1 does not wait and enforces
 * meanwhile.
 */
const LONGEST_MS = 2_000;
/** Number of policies with an unproven lock 2 from which on writes count as a storm. */
const STORM = 16;

/**
 * Delays writes of constraints while many policies arrive one by one: every Gatekeeper pod compiles
 * each write and responds with a status. A single change is never delayed.
 */
export class ConstraintThrottle {
  readonly #held = new Map<string, HeldWrite>();

  /**
   * Selects the writes that are due.
   *
   * @param unproven number of policies whose lock 2 is unproven
   * @param now monotonic ms
   */
  due(plan: Pick<ClusterPlan, 'gatekeeper' | 'governance' | 'present'>, unproven: number, now: number): DueActions {
    const wanted = new Map(plan.governance.constraints.map((constraint) => [`K8sGeoResidency/${constraint.name}`, constraint]));
    // All steps of a key stay together, so that a repair is not split.
    const isUrgent = ({ type, reason }: Action): boolean => type === 'delete' || reason === 'Drift' || reason === 'Place';
    const urgent = new Set(plan.gatekeeper.filter(isUrgent).map(({ key }) => key));
    const waiting = new Map<string, number>();
    for (const { key } of plan.gatekeeper) {
      const constraint = wanted.get(key);
      const mayWait = unproven >= STORM && constraint !== undefined && !urgent.has(key) && plan.present.has(key);
      const waitMs = mayWait ? this.#hold(key, constraint, now) : 0;
      if (waitMs > 0) waiting.set(key, waitMs);
    }
    this.#retain(waiting);
    return {
      actions: waiting.size === 0 ? plan.gatekeeper : plan.gatekeeper.filter(({ key }) => !waiting.has(key)),
      waitMs: waiting.size === 0 ? undefined : Math.min(...waiting.values()),
    };
  }

  /** Removes the constraints that no longer wait. */
  #retain(waiting: Pick<ReadonlyMap<string, unknown>, 'has'>): void {
    for (const key of this.#held.keys()) if (!waiting.has(key)) this.#held.delete(key);
  }

  /** @returns time in ms until the write is due */
  #hold(key: string, wanted: DesiredConstraint, now: number): number {
    const known = this.#held.get(key);
    const held = known?.wanted === wanted ? known : { wanted, changedAt: now, since: known?.since ?? now };
    this.#held.set(key, held);
    return Math.min(held.changedAt + QUIET_MS, held.since + LONGEST_MS) - now;
  }
}

/** Longer than an API server needs to apply a new policy, which is about a second. In ms. */
const TAKEN_UP_MS = 5_000;

/**
 * Delays deletions of the floor and its guard, e.g. of an older version's policies under other
 * names, until their successors have been in place for a while and no proof is pending.
 */
export class FloorThrottle {
  #wholeSince: number | undefined;

  /** Selects the writes that are due. @param now monotonic ms */
  due({ floor }: Pick<ClusterPlan, 'floor'>, isProving: boolean, now: number): DueActions {
    const writes = floor.filter(({ type }) => type !== 'delete');
    if (floor.length === 0 || writes.length > 0) {
      this.#wholeSince = undefined;
      return { actions: writes, waitMs: undefined };
    }
    this.#wholeSince ??= now;
    const waitMs = this.#wholeSince + TAKEN_UP_MS - now;
    if (waitMs > 0) return { actions: [], waitMs };
    // The next proof triggers the next reconcile.
    return { actions: isProving ? [] : floor, waitMs: undefined };
  }
}

/**
 * Average rate at which one object may be rewritten, as each write sends the whole object to etcd
 * and to every API server.
 */
const BYTES_PER_MS = 200;
/**
 * Rate of writes that add new names: a burst, then one in `everyMs`, and large objects at
 * `bytesPerMs`.
 */
const NAMES = { burst: 4, everyMs: 250, bytesPerMs: 4 * BYTES_PER_MS } as const;

/**
 * Delays rapid writes of FloorParameters: each object is written as a whole, and the larger the
 * cluster, the more often it changes. The first change after a pause, a repair, a missing object
 * and a moved node are never delayed. Meanwhile a namespace is enforced by its labels, or refused
 * if nothing is known about it yet. For new globs and namespaces that do not exist yet there is no
 * such substitute, so they have a rate of their own, which namespaces' own policies cannot use up.
 */
export class ParametersThrottle {
  readonly #due = new Map<string, { readonly body: object; readonly reason: string }>();
  readonly #notBefore = new Map<string, number>();
  /**
   * Time at which the last write with new names would have been due at an even pace, in monotonic
   * ms.
   */
  #namesPaidUntil = 0;

  /** Selects the writes that are due. @param now monotonic ms */
  due(actions: readonly Action[], now: number): DueActions {
    const due = actions.filter((action) => this.#waitMs(action, now) <= 0);
    for (const action of due) if (action.type === 'apply') this.#due.set(action.key, action);
    if (due.length === actions.length) return { actions, waitMs: undefined };
    const held = actions.filter((action) => !due.includes(action));
    return { actions: due, waitMs: Math.min(...held.map((action) => this.#waitMs(action, now))) };
  }

  /** Records a successful write of any object. @param now monotonic ms */
  noteWrite(key: string, now: number): void {
    const written = this.#due.get(key);
    if (written === undefined) return;
    const bytes = bytesOf(written.body);
    this.#notBefore.set(key, now + bytes / BYTES_PER_MS);
    if (written.reason === 'Cover')
      this.#namesPaidUntil = Math.max(now, this.#namesPaidUntil) + Math.max(NAMES.everyMs, bytes / NAMES.bytesPerMs);
  }

  #waitMs({ key, reason }: Action, now: number): number {
    if (reason !== 'Grow' && reason !== 'Cover') return 0;
    const growMs = (this.#notBefore.get(key) ?? 0) - now;
    return reason === 'Grow' ? growMs : Math.min(growMs, this.#namesPaidUntil - now - (NAMES.burst - 1) * NAMES.everyMs);
  }
}

/** Size of an object as JSON. Names, regions and keys are ASCII. */
const bytesOf = weakMemo((body: object): number => JSON.stringify(body).length);

/** Throttles of a controller, one for each kind of write that occurs in storms. */
export class WriteThrottles {
  readonly #constraints = new ConstraintThrottle();
  readonly #floor = new FloorThrottle();
  readonly #parameters = new ParametersThrottle();

  /**
   * Selects the actions of a plan that may run now, in the order in which a change takes effect.
   *
   * @param unproven number of policies whose lock 2 is unproven
   * @param isProving whether a proof of lock 1 is pending
   * @param now monotonic ms
   */
  due(plan: ClusterPlan, { unproven, isProving }: { readonly unproven: number; readonly isProving: boolean }, now: number): DueActions {
    const lockTwo = this.#constraints.due(plan, unproven, now);
    const floor = this.#floor.due(plan, isProving, now);
    const parameters = this.#parameters.due(plan.parameters, now);
    const waits = [lockTwo, floor, parameters].flatMap(({ waitMs }) => waitMs ?? []);
    return {
      actions: [...plan.foundation, ...parameters.actions, ...plan.namespaces, ...floor.actions, ...plan.injection, ...lockTwo.actions],
      waitMs: waits.length === 0 ? undefined : Math.min(...waits),
    };
  }

  /** Records a successful write of any object. @param now monotonic ms */
  noteWrite(key: string, now: number): void {
    this.#parameters.noteWrite(key, now);
  }
}
