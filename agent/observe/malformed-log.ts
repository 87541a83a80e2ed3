import type { Clock } from '@fso/shared/runtime';
import type { EventSink } from './event-sink.ts';

/** Most objects reported one by one at a time; the others share one event. */
const MAX_EVENTS = 20;
/** Time within which an object that is malformed repeatedly is reported once, in ms. */
const REPEAT_MS = 600_000;

/** Reports each object with an unreadable field once. */
export class MalformedLog {
  readonly #events: Pick<EventSink, 'ofCluster'>;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** Time of the last event of each object, by its key; monotonic ms. */
  readonly #reportedAtMs = new Map<string, number>();

  constructor(events: Pick<EventSink, 'ofCluster'>, clock: Pick<Clock, 'monotonicMs'>) {
    this.#events = events;
    this.#clock = clock;
  }

  /**
   * Reports objects that became malformed.
   *
   * @param malformed descriptions of unreadable fields, by `Kind/key` of the object
   */
  look(malformed: ReadonlyMap<string, string>): void {
    if (malformed.size === 0 && this.#reportedAtMs.size === 0) return;
    const now = this.#clock.monotonicMs();
    for (const [key, atMs] of this.#reportedAtMs) if (!malformed.has(key) && now - atMs >= REPEAT_MS) this.#reportedAtMs.delete(key);
    const fresh = [...malformed].filter(([key]) => !this.#reportedAtMs.has(key));
    for (const [key] of fresh) this.#reportedAtMs.set(key, now);
    for (const [key, problem] of fresh.slice(0, MAX_EVENTS)) this.#report(`${key} cannot be read: ${problem}`);
    if (fresh.length > MAX_EVENTS) this.#report(`${fresh.length - MAX_EVENTS} more objects cannot be read`);
  }

  #report(problem: string): void {
    const message = `${problem}; nothing is released because of it`;
    this.#events.ofCluster({ severity: 'warning', reason: 'Malformed', message });
  }
}
