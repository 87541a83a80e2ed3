import type { ClusterEvent } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';

const MAX_EVENTS = 1000;

/** Events that the hub has not got yet. Bounded: the oldest go first, and how many went is said. */
export class EventBuffer {
  readonly #clock: Clock;
  readonly #limit: number;
  #events: ClusterEvent[] = [];
  #dropped = 0;

  constructor(clock: Clock, limit = MAX_EVENTS) {
    this.#clock = clock;
    this.#limit = limit;
  }

  get size(): number {
    return this.#events.length;
  }

  add(event: ClusterEvent): void {
    this.#events.push(event);
    this.#trim();
  }

  /** Puts events back that were sent and never acknowledged; they are older than all that are here. */
  putBack(events: readonly ClusterEvent[]): void {
    this.#events = [...events, ...this.#events];
    this.#trim();
  }

  takeAll(): readonly ClusterEvent[] {
    const taken = this.#events;
    this.#events = [];
    if (this.#dropped === 0) return taken;
    const message = `${this.#dropped} older events of this cluster were dropped while the hub could not be reached.`;
    this.#dropped = 0;
    return [{ time: this.#clock.now().toISOString(), severity: 'warning', reason: 'EventsDropped', message }, ...taken];
  }

  #trim(): void {
    // One place is kept for the event that says what was dropped.
    const excess = this.#events.length - (this.#limit - 1);
    if (excess <= 0) return;
    this.#events.splice(0, excess);
    this.#dropped += excess;
  }
}
