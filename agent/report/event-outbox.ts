import { isDeepStrictEqual } from 'node:util';
import { AGENT_EVENTS, type ClusterEvent } from '@fso/shared/api';
import { dropOrder, judgeEvent } from '@fso/shared/protocol';
import type { Clock, Logger, Runtime } from '@fso/shared/runtime';
import { z } from 'zod';
import { ConfigMapStore, type ConfigMapStoreDeps } from '../config-map-store.ts';

const MAX_EVENTS = 1000;

/** Store for events that survives the agent. Each call replaces all events. */
export interface EventStore {
  /** Returns the stored events once. */
  take(): readonly ClusterEvent[];
  keep(events: readonly ClusterEvent[]): void;
}

interface EventOutboxOptions extends Pick<Runtime, 'clock' | 'logger'> {
  readonly store?: EventStore;
  /** Most events that wait. Default 1,000. */
  readonly limit?: number;
}

const isTrifle = ({ severity }: ClusterEvent): boolean => severity === 'info';

/**
 * Events that the hub has not acknowledged. Bounded: events of the least weight are dropped first
 * ({@link dropOrder}), so that events about a namespace's own policies cannot displace others. The
 * number of dropped events is reported. Warnings and alerts are stored in the cluster until the hub
 * has them, so that they survive a crash of the agent.
 */
export class EventOutbox {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #store: EventStore | undefined;
  readonly #limit: number;
  #waiting: ClusterEvent[] = [];
  /** Events by the sequence number of the report that carries them. */
  readonly #sent = new Map<number, readonly ClusterEvent[]>();
  #dropped = 0;

  constructor({ clock, logger, store, limit = MAX_EVENTS }: EventOutboxOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#store = store;
    this.#limit = limit;
  }

  /** Number of events that wait to be sent. */
  get size(): number {
    this.#restore();
    return this.#waiting.length;
  }

  /** Whether the hub has acknowledged all events. */
  get isEmpty(): boolean {
    return this.size === 0 && this.#sent.size === 0;
  }

  /**
   * Queues an event without the parts that its schema refuses. Otherwise an event that no hub
   * accepts would be sent and kept for ever.
   */
  add(event: ClusterEvent): void {
    const { entry, problem } = judgeEvent(event);
    if (problem !== undefined) this.#logger.error({ reason: event.reason, problem }, 'event is not valid, a part of it is left out');
    if (entry === undefined) return;
    this.#restore();
    this.#waiting.push(entry);
    // Trims in batches, so that a flood of events does not sort all waiting ones each time.
    if (this.#waiting.length >= 2 * this.#limit) this.#trim();
    this.#keep();
  }

  /** Takes all waiting events for the report of this number. */
  send(seq: number): readonly ClusterEvent[] {
    this.#restore();
    this.#trim();
    const dropped = this.#dropped === 0 ? [] : [this.#droppedEvent()];
    const events = [...dropped, ...this.#waiting];
    this.#waiting = [];
    this.#dropped = 0;
    if (events.length > 0) this.#sent.set(seq, events);
    return events;
  }

  /** Removes the events of every report up to this one, which the hub has acknowledged. */
  acknowledged(seq: number): void {
    this.#restore();
    const before = this.#sent.size;
    for (const known of this.#sent.keys()) if (known <= seq) this.#sent.delete(known);
    if (this.#sent.size !== before) this.#keep();
  }

  /** Puts the unacknowledged events back before all others, which are newer. */
  takeBack(): void {
    this.#waiting = [...this.#sent.values()].flat().concat(this.#waiting);
    this.#sent.clear();
  }

  #droppedEvent(): ClusterEvent {
    const message = `${this.#dropped} older events of this cluster were dropped while the hub could not be reached.`;
    return { time: this.#clock.now().toISOString(), severity: 'warning', reason: 'EventsDropped', message };
  }

  #restore(): void {
    const kept = this.#store?.take() ?? [];
    if (kept.length === 0) return;
    this.#waiting = [...kept, ...this.#waiting];
    // From now on the store gets all events, including the restored ones.
    this.#keep();
  }

  #keep(): void {
    this.#store?.keep([...[...this.#sent.values()].flat(), ...this.#waiting].filter((event) => !isTrifle(event)));
  }

  /**
   * Drops events beyond the limit. {@link dropOrder} does not change with later events, so the
   * result does not depend on how often this runs.
   */
  #trim(): void {
    // Reserves one place for the event that reports the number of dropped events.
    const excess = this.#waiting.length - (this.#limit - 1);
    if (excess <= 0) return;
    const dropped = new Set(dropOrder(this.#waiting).slice(0, excess));
    this.#waiting = this.#waiting.filter((event) => !dropped.has(event));
    this.#dropped += excess;
  }
}

type Events = readonly ClusterEvent[];

const Stored = z.array(z.unknown());
const MAX_STORED = 1000;

/**
 * Largest JSON of the stored events, in bytes. A ConfigMap may have 1 MiB. Events of more weight
 * take precedence, then newer ones.
 */
const MAX_BYTES = 512 * 1024;
/** Delay of a write, in ms. A connected hub acknowledges sooner, so that nothing is written. */
const SETTLE_MS = 1_000;

/**
 * Stores the warnings and alerts that the hub has not acknowledged in ConfigMap `fso-agent-events`.
 */
export const createEventStore = (deps: ConfigMapStoreDeps): ConfigMapStore<Events> =>
  new ConfigMapStore<Events>(
    {
      name: AGENT_EVENTS,
      key: 'events',
      empty: [],
      parse: parseEvents,
      toJson: thatFit,
      isSame: isDeepStrictEqual,
      settleMs: SETTLE_MS,
    },
    deps,
  );

/**
 * Parses stored events one by one, so that an unreadable one does not discard the others.
 *
 * @throws ZodError if it is not a list
 */
export const parseEvents = (json: unknown): Events =>
  Stored.parse(json)
    .slice(-MAX_STORED)
    .flatMap((value) => judgeEvent(value).entry ?? []);

/** Selects the events that fit, those that {@link dropOrder} puts last first. */
const thatFit = (events: Events): Events => {
  const fitting = new Set<ClusterEvent>();
  let bytes = 0;
  for (const event of dropOrder(events).slice(-MAX_STORED).reverse()) {
    bytes += Buffer.byteLength(JSON.stringify(event)) + 1;
    if (bytes > MAX_BYTES) break;
    fitting.add(event);
  }
  return events.filter((event) => fitting.has(event));
};
