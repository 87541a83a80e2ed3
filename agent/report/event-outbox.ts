import { isDeepStrictEqual } from 'node:util';
import { AGENT_EVENTS, type ClusterEvent } from '@fso/shared/api';
import { dropOrder, judgeEvent } from '@fso/shared/protocol';
import type { Clock, Logger, Runtime } from '@fso/shared/runtime';
import { z } from 'zod';
import { ConfigMapStore, type ConfigMapStoreDeps } from '../config-map-store.ts';

const MAX_EVENTS = 1000;

/** Events that outlive the agent; each call replaces all of them. */
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
 * Events that the hub has not acknowledged. Bounded: the least weight is dropped first
 * ({@link dropOrder}), so that no number of events about a namespace's own policies takes the place
 * of others; the number of dropped events is reported. Warnings and alerts are kept in the cluster
 * until the hub has them, so that an agent that is killed still reports them.
 */
export class EventOutbox {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #store: EventStore | undefined;
  readonly #limit: number;
  #waiting: ClusterEvent[] = [];
  /** Events by the number of the report that carries them. */
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

  /** Whether the hub has all of them. */
  get isEmpty(): boolean {
    return this.size === 0 && this.#sent.size === 0;
  }

  /**
   * Queues an event without the parts that its schema refuses. An event that no hub accepts would
   * be sent, and kept, for ever.
   */
  add(event: ClusterEvent): void {
    const { entry, problem } = judgeEvent(event);
    if (problem !== undefined) this.#logger.error({ reason: event.reason, problem }, 'event is not valid, a part of it is left out');
    if (entry === undefined) return;
    this.#restore();
    this.#waiting.push(entry);
    // Not for each: a flood of them would sort all that wait each time.
    if (this.#waiting.length >= 2 * this.#limit) this.#trim();
    this.#keep();
  }

  /** All that wait, for the report of this number. */
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

  /** Removes the events that the hub has, of every report up to this one. */
  acknowledged(seq: number): void {
    this.#restore();
    const before = this.#sent.size;
    for (const known of this.#sent.keys()) if (known <= seq) this.#sent.delete(known);
    if (this.#sent.size !== before) this.#keep();
  }

  /** Makes the unacknowledged events wait again, before all others, which are newer. */
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
    // The store gets all events from now on, the restored ones included.
    this.#keep();
  }

  #keep(): void {
    this.#store?.keep([...[...this.#sent.values()].flat(), ...this.#waiting].filter((event) => !isTrifle(event)));
  }

  /**
   * Drops events beyond the limit. The order of {@link dropOrder} does not change with later
   * events, so that it does not matter how often this runs.
   */
  #trim(): void {
    // One place is reserved for the event that says how many were dropped.
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
 * Largest JSON of the stored events, in bytes; a ConfigMap ends at 1 MiB. Weightier events are kept
 * before others, and newer before older ones.
 */
const MAX_BYTES = 512 * 1024;
/** A hub that is there acknowledges sooner: then nothing is written. */
const SETTLE_MS = 1_000;

/** Warnings and alerts that the hub has not acknowledged, in ConfigMap `fso-agent-events`. */
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
 * Parses stored events one by one: one that cannot be read must not take the others with it.
 * @throws ZodError when it is no list
 */
export const parseEvents = (json: unknown): Events =>
  Stored.parse(json)
    .slice(-MAX_STORED)
    .flatMap((value) => judgeEvent(value).entry ?? []);

/** Selects the events that fit: those that {@link dropOrder} puts last come first. */
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
