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

/** Default limits. An agent that was disconnected for long has up to 1,000 events. */
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

/** Most namespaces that are remembered; the least recently used one is dropped first. */
const NAMESPACES = 1_000;
/** Shortest time between two events about dropped events, in milliseconds. */
const DROPPED_MS = 60_000;

/**
 * Keeps one cluster from filling the history, and its tenants from displacing the cluster's other
 * events. Excess events are dropped and counted.
 */
export class EventBudget {
  readonly #clock: Clock;
  readonly #limits: EventLimits;
  readonly #all: Allowance;
  readonly #cluster: Allowance;
  readonly #tenants: Allowance;
  readonly #namespaces = new Map<string, Allowance>();
  #dropped = 0;
  /** Monotonic time of the last event about dropped events, in milliseconds. */
  #droppedNotedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, limits: EventLimits) {
    this.#clock = clock;
    this.#limits = limits;
    this.#all = createAllowance(clock, limits.all);
    this.#cluster = createAllowance(clock, limits.cluster);
    this.#tenants = createAllowance(clock, limits.tenants);
  }

  /**
   * Charges events, the most important first, and returns those that are kept. At most once a
   * minute, it adds an event with the number of dropped ones.
   */
  admit(events: readonly ClusterEvent[]): AdmittedEvents {
    const charged = new Map<ClusterEvent, readonly Allowance[]>();
    for (const event of events.toSorted((a, b) => weightOf(b) - weightOf(a))) {
      const allowances = this.#charge(event);
      if (allowances !== undefined) charged.set(event, allowances);
    }
    const [droppedBefore, notedBefore] = [this.#dropped, this.#droppedNotedAt];
    const left = events.length - charged.size;
    this.#dropped += left;
    const dropped = this.takeDropped();
    return {
      events: [...events.filter((event) => charged.has(event)), ...(dropped === undefined ? [] : [dropped])],
      undo: () => {
        for (const allowance of [...charged.values()].flat()) allowance.giveBack(1);
        if (dropped === undefined) this.#dropped = Math.max(0, this.#dropped - left);
        else [this.#dropped, this.#droppedNotedAt] = [this.#dropped + droppedBefore, notedBefore];
      },
    };
  }

  /** Charges an event. @returns the allowances that were charged; undefined if none has room */
  #charge(event: ClusterEvent): readonly Allowance[] | undefined {
    const open = this.#allowancesOf(event).find((allowances) => !allowances.some((allowance) => allowance.isEmpty()));
    for (const allowance of open ?? []) allowance.take(1);
    return open;
  }

  /** Returns alternatives, each with all allowances that it charges. */
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
   * @returns an event with the number of dropped events, if there are any; at most once a minute
   */
  takeDropped(): ClusterEvent | undefined {
    if (this.#dropped === 0 || this.#clock.monotonicMs() - this.#droppedNotedAt < DROPPED_MS) return undefined;
    const message = `${this.#dropped} events of this cluster were dropped: it sent more than the hub keeps of one.`;
    this.#dropped = 0;
    this.#droppedNotedAt = this.#clock.monotonicMs();
    return { time: this.#clock.now().toISOString(), severity: 'warning', reason: 'EventsDropped', message };
  }
}
