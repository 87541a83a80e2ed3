import type { Clock } from '@fso/shared/runtime';
import type { EventSink } from './event-sink.ts';

/** Number of objects at a time above which they are reported in one event. */
const MAX_EVENTS = 20;
/** Time in which an object that is malformed again and again is reported once, in ms. */
const REPEAT_MS = 600_000;

/** Reports each object with an unreadable field once. */
export class MalformedLog {
  readonly #events: Pick<EventSink, 'ofCluster'>;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** Time of the last event of each object, by its key; monotonic ms. */
  readonly #toldAtMs = new Map<string, number>();

  constructor(events: Pick<EventSink, 'ofCluster'>, clock: Pick<Clock, 'monotonicMs'>) {
    this.#events = events;
    this.#clock = clock;
  }

  /** @param malformed what cannot be read, by `Kind/key` of the object */
  look(malformed: ReadonlyMap<string, string>): void {
    if (malformed.size === 0 && this.#toldAtMs.size === 0) return;
    const now = this.#clock.monotonicMs();
    for (const [key, atMs] of this.#toldAtMs) if (!malformed.has(key) && now - atMs >= REPEAT_MS) this.#toldAtMs.delete(key);
    const fresh = [...malformed].filter(([key]) => !this.#toldAtMs.has(key));
    for (const [key] of fresh) this.#toldAtMs.set(key, now);
    for (const [key, problem] of fresh.slice(0, MAX_EVENTS)) this.#tell(`${key} cannot be read: ${problem}`);
    if (fresh.length > MAX_EVENTS) this.#tell(`${fresh.length - MAX_EVENTS} more objects cannot be read`);
  }

  #tell(problem: string): void {
    const message = `${problem}; nothing is released because of it`;
    this.#events.ofCluster({ severity: 'warning', reason: 'Malformed', message });
  }
}
