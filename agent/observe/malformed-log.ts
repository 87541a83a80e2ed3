import type { EventSink } from './event-sink.ts';

/** More at a time than this are one event. */
const MAX_EVENTS = 20;

/** Tells once of each object in which something cannot be read. */
export class MalformedLog {
  readonly #events: Pick<EventSink, 'ofCluster'>;
  readonly #told = new Map<string, string>();

  constructor(events: Pick<EventSink, 'ofCluster'>) {
    this.#events = events;
  }

  /** @param malformed what cannot be read, by `Kind/key` of the object */
  look(malformed: ReadonlyMap<string, string>): void {
    for (const key of this.#told.keys()) if (!malformed.has(key)) this.#told.delete(key);
    const fresh = [...malformed].filter(([key, problem]) => this.#told.get(key) !== problem);
    for (const [key, problem] of fresh) this.#told.set(key, problem);
    for (const [key, problem] of fresh.slice(0, MAX_EVENTS)) this.#tell(`${key} cannot be read: ${problem}`);
    if (fresh.length > MAX_EVENTS) this.#tell(`${fresh.length - MAX_EVENTS} more objects cannot be read`);
  }

  #tell(problem: string): void {
    const message = `${problem}; nothing is released because of it`;
    this.#events.ofCluster({ severity: 'warning', reason: 'Malformed', message });
  }
}
