import type { ClusterEvent } from '@fso/shared/api';
import { isOfCluster, tenantOf, weightOf } from '@fso/shared/protocol';
import { type Allowance, type BucketOptions, type Clock, createAllowance, dropOldest } from '@fso/shared/runtime';

/** Limits of the events of one cluster that are kept. */
export interface EventLimits {
  /** All events. */
  readonly all: BucketOptions;
  /** Events of the cluster itself beyond `all`, tampering among them. */
  readonly cluster: BucketOptions;
  /** Events within `all` about policies that namespaces have for themselves. */
  readonly tenants: BucketOptions;
  /** Events within `tenants` of one namespace. */
  readonly namespace: BucketOptions;
}

/** An agent that was away for long has up to 1,000 events. */
export const DEFAULT_EVENT_LIMITS: EventLimits = {
  all: { burst: 1000, perSecond: 10 },
  cluster: { burst: 100, perSecond: 1 },
  tenants: { burst: 500, perSecond: 1 },
  namespace: { burst: 100, perSecond: 1 / 6 },
};

/** Events of a report that are within the budget of their cluster. */
export interface AdmittedEvents {
  readonly events: readonly ClusterEvent[];
  /** Takes back that they were admitted, as the same events come again. To be called once. */
  undo(): void;
}

/** Namespaces remembered; the one unused for longest goes first. */
const NAMESPACES = 1_000;
/** Time between two events that say how many were dropped. */
const DROPPED_MS = 60_000;

/**
 * Keeps one cluster from filling the history, and its tenants from taking the place of the
 * cluster's other events. What is too much is dropped and counted.
 */
export class EventBudget {
  readonly #clock: Clock;
  readonly #limits: EventLimits;
  readonly #all: Allowance;
  readonly #cluster: Allowance;
  readonly #tenants: Allowance;
  readonly #namespaces = new Map<string, Allowance>();
  #dropped = 0;
  #droppedToldAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, limits: EventLimits) {
    this.#clock = clock;
    this.#limits = limits;
    this.#all = createAllowance(clock, limits.all);
    this.#cluster = createAllowance(clock, limits.cluster);
    this.#tenants = createAllowance(clock, limits.tenants);
  }

  /**
   * The events that are kept, the weightiest first, and, at most once a minute, an event that says
   * how many were not.
   */
  admit(events: readonly ClusterEvent[]): AdmittedEvents {
    const charged = new Map<ClusterEvent, readonly Allowance[]>();
    for (const event of events.toSorted((a, b) => weightOf(b) - weightOf(a))) {
      const allowances = this.#charge(event);
      if (allowances !== undefined) charged.set(event, allowances);
    }
    const [droppedBefore, toldBefore] = [this.#dropped, this.#droppedToldAt];
    const left = events.length - charged.size;
    this.#dropped += left;
    const dropped = this.takeDropped();
    return {
      events: [...events.filter((event) => charged.has(event)), ...(dropped === undefined ? [] : [dropped])],
      undo: () => {
        for (const allowance of [...charged.values()].flat()) allowance.giveBack(1);
        if (dropped === undefined) this.#dropped = Math.max(0, this.#dropped - left);
        else [this.#dropped, this.#droppedToldAt] = [this.#dropped + droppedBefore, toldBefore];
      },
    };
  }

  /** @returns the allowances that pay for an event; undefined: none does */
  #charge(event: ClusterEvent): readonly Allowance[] | undefined {
    const open = this.#allowancesOf(event).find((allowances) => !allowances.some((allowance) => allowance.isEmpty()));
    for (const allowance of open ?? []) allowance.take(1);
    return open;
  }

  /** Alternatives: all allowances of one of them are charged. */
  #allowancesOf(event: ClusterEvent): readonly (readonly Allowance[])[] {
    const namespace = tenantOf(event);
    if (namespace !== undefined) return [[this.#namespace(namespace), this.#tenants, this.#all]];
    return isOfCluster(event) ? [[this.#cluster], [this.#all]] : [[this.#all]];
  }

  #namespace(name: string): Allowance {
    const allowance = this.#namespaces.get(name) ?? createAllowance(this.#clock, this.#limits.namespace);
    // Deleted first, so that the map's order is the order of last use.
    this.#namespaces.delete(name);
    this.#namespaces.set(name, allowance);
    dropOldest(this.#namespaces, NAMESPACES);
    return allowance;
  }

  /**
   * @returns the event that says how many events were dropped; at most once a minute, and not
   * without any
   */
  takeDropped(): ClusterEvent | undefined {
    if (this.#dropped === 0 || this.#clock.monotonicMs() - this.#droppedToldAt < DROPPED_MS) return undefined;
    const message = `${this.#dropped} events of this cluster were dropped: it sent more than the hub keeps of one.`;
    this.#dropped = 0;
    this.#droppedToldAt = this.#clock.monotonicMs();
    return { time: this.#clock.now().toISOString(), severity: 'warning', reason: 'EventsDropped', message };
  }
}
