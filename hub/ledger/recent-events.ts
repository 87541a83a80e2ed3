import type { EventView } from '@fso/shared/api';
import { fairShare } from '@fso/shared/runtime';
import { type EventFilter, matchesEvent } from './event-filter.ts';

/**
 * Factor by which the number of events may exceed the limit before some are dropped, because
 * dropping examines each event.
 */
const SLACK = 1.1;

/** Query for a page of events in memory that match a filter. */
export interface RecentQuery extends EventFilter {
  /** Exclusive upper bound of the id. */
  readonly before?: number;
  readonly limit: number;
}

const countByCluster = (events: readonly EventView[]): readonly number[] => {
  const counts = new Map<string | null, number>();
  for (const { cluster } of events) counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
  return [...counts.values()];
};

/**
 * Newest events, in memory. If there are too many, the oldest events of the clusters with the most
 * events are dropped, so that one cluster cannot displace the events of others.
 */
export class RecentEvents {
  readonly #limit: number;
  /** Events in the order of their ids. */
  #events: EventView[] = [];
  /** Id of the newest event that was dropped. */
  #gone = 0;
  #count = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Id of the newest event; 0 if there is none. */
  get last(): number {
    return this.#events.at(-1)?.id ?? 0;
  }

  /** Whether no event can be missing. */
  get isComplete(): boolean {
    return this.#count < this.#limit;
  }

  /** Adds events. @param events newer than those in memory, in the order of their ids */
  add(events: readonly EventView[]): void {
    // Most batches have no events, and concat copies the list.
    if (events.length === 0) return;
    this.#count += events.length;
    // A full batch: the database returns at most `limit` events, so older ones may be missing.
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
    // The remainder that cannot be shared evenly goes to the newest events.
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
   * Finds events, newest first. Events of one cluster have no gaps. Without a cluster, only events
   * newer than the newest dropped one are found.
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
