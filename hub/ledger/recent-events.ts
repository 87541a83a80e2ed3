import type { EventView } from '@fso/shared/api';
import { fairShare } from '@fso/shared/runtime';
import { type EventFilter, matchesEvent } from './event-filter.ts';

/**
 * Factor by which the number of events may exceed the limit before some go; dropping looks at each
 * of them.
 */
const SLACK = 1.1;

/** A page of the events in memory that pass a filter. */
export interface RecentQuery extends EventFilter {
  /** Events with a lower id only. */
  readonly before?: number;
  readonly limit: number;
}

const countByCluster = (events: readonly EventView[]): readonly number[] => {
  const counts = new Map<string | null, number>();
  for (const { cluster } of events) counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
  return [...counts.values()];
};

/**
 * The newest events, in memory. Where there are too many, the oldest of the clusters with the most
 * of them go, so that one cluster cannot wash out those of the others.
 */
export class RecentEvents {
  readonly #limit: number;
  /** Events in the order of their ids. */
  #events: EventView[] = [];
  /** Id of the newest event that is not in memory. */
  #gone = 0;
  #count = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Id of the newest one; 0: there is none. */
  get last(): number {
    return this.#events.at(-1)?.id ?? 0;
  }

  /** Whether every event that there is may be here. */
  get isComplete(): boolean {
    return this.#count < this.#limit;
  }

  /** @param events newer than those that are here, in the order of their ids */
  add(events: readonly EventView[]): void {
    // Most batches bring none, and to join the lists copies the one in memory.
    if (events.length === 0) return;
    this.#count += events.length;
    // As many as are asked of a database at a time: between them and those before some may be
    // missing.
    if (events.length >= this.#limit) this.#restart(events.slice(-this.#limit));
    else this.#events = this.#events.concat(events);
    if (this.#events.length > this.#limit * SLACK) this.#drop();
  }

  #restart(events: readonly EventView[]): void {
    this.#events = [...events];
    this.#gone = (events[0]?.id ?? 1) - 1;
  }

  #drop(): void {
    const counts = countByCluster(this.#events);
    const share = fairShare(counts, this.#limit);
    // What cannot be shared evenly goes to the newest.
    let left = this.#limit - counts.reduce((sum, count) => sum + Math.min(count, share), 0);
    const kept: EventView[] = [];
    const newer = new Map<string | null, number>();
    for (const event of this.#events.toReversed()) {
      const rank = newer.get(event.cluster) ?? 0;
      newer.set(event.cluster, rank + 1);
      const isExtra = rank === share && left > 0;
      if (isExtra) left -= 1;
      if (rank < share || isExtra) kept.push(event);
      else this.#gone = Math.max(this.#gone, event.id);
    }
    this.#events = kept.reverse();
  }

  /**
   * Finds events, newest first. Those of one cluster have no gaps. Those of all clusters are only
   * the ones newer than the newest event that is not in memory.
   */
  find({ limit, before = Number.POSITIVE_INFINITY, ...filter }: RecentQuery): readonly EventView[] {
    const oldest = filter.cluster === undefined ? this.#gone : 0;
    const found: EventView[] = [];
    for (let i = this.#events.length - 1; i >= 0 && found.length < limit; i -= 1) {
      const event = this.#events[i];
      if (event === undefined || event.id <= oldest) break;
      if (event.id < before && matchesEvent(event, filter)) found.push(event);
    }
    return found;
  }
}
