import type { EventView, SourceView } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { weakMemo } from '@fso/shared/runtime';
import { isUnseen, neverSeenCluster } from './changes.ts';
import { RecentEvents, type RecentQuery } from './recent-events.ts';
import { SuspendedClusters } from './suspended-clusters.ts';
import type { ClusterRecord, Desired, FoundEvents, LedgerChange } from './types.ts';

/**
 * Whether only `lastSeen` of a connected cluster changed. The record is kept then, and readers see
 * no change.
 */
const isSignOfLife = (before: ClusterRecord, after: ClusterRecord): boolean =>
  before.connected && (Object.keys(after) as (keyof ClusterRecord)[]).every((key) => key === 'lastSeen' || before[key] === after[key]);

/**
 * Whether nothing that readers show of a connected cluster changed. Subscribers are not notified
 * then.
 */
const isHeartbeat = (before: ClusterRecord, after: ClusterRecord): boolean =>
  before.connected &&
  after.connected &&
  before.notObserved === after.notObserved &&
  before.policies === after.policies &&
  before.divergedSince === after.divergedSince &&
  before.notKept === after.notKept &&
  before.report === after.report &&
  before.acked === after.acked &&
  before.nack === after.nack &&
  before.offeredRevision === after.offeredRevision;

/** Name of the part that is out of date after a report of the cluster was lost or not kept. */
export const DIVERGED = 'Reports';

const asDiverged = weakMemo(
  (record: ClusterRecord): ClusterRecord => ({ ...record, notObserved: { since: record.divergedSince ?? '', what: [DIVERGED] } }),
);

/**
 * Returns the record for readers. A cluster whose record differs from the reports of its agent
 * counts as not observed. Other records are not memoized, because each entry would slow down every
 * garbage collection.
 */
const showDiverged = (record: ClusterRecord): ClusterRecord =>
  record.divergedSince !== null && record.connected && record.notObserved === null ? asDiverged(record) : record;

/** Wraps events that were found in memory. If the page is full, there may be more. */
export const foundIn = (events: readonly EventView[], limit: number): FoundEvents => ({
  events,
  next: events.length < limit ? null : (events.at(-1)?.id ?? null),
});

/** Copy of the ledger in memory. Its reads also work while the database is unavailable. */
export class LedgerCache {
  #source: SourceView | null = null;
  #desired: Desired | null = null;
  readonly #seen = new Map<string, ClusterRecord>();
  /**
   * Records of registered clusters that were never seen. Cached, because readers detect changes by
   * identity.
   */
  readonly #neverSeen = new Map<string, ClusterRecord>();
  /** Sorted names of all clusters; undefined: to be computed again. */
  #names: readonly string[] | undefined;
  readonly #suspended = new SuspendedClusters();
  readonly #eventLimit: number;
  #events: RecentEvents;
  readonly #handlers = new Set<(change: LedgerChange) => void>();

  /**
   * @param eventLimit maximum number of events; see {@link RecentEvents} for which ones are kept
   */
  constructor(eventLimit: number) {
    this.#eventLimit = eventLimit;
    this.#events = new RecentEvents(eventLimit);
  }

  source(): SourceView | null {
    return this.#source;
  }

  setSource(source: SourceView): void {
    this.#source = source;
    this.#notify({ kind: 'source' });
  }

  desired(): Desired | null {
    return this.#desired;
  }

  setDesired(desired: Desired): void {
    this.#desired = desired;
    this.#names = undefined;
    for (const name of this.#neverSeen.keys()) if (!desired.clusters.has(name)) this.#neverSeen.delete(name);
    this.#notify({ kind: 'desired', revision: desired.revision });
  }

  /** Returns the stored record, or an empty one if the cluster was never seen. */
  get(name: string): ClusterRecord {
    return this.#seen.get(name) ?? this.#neverSeenCluster(name);
  }

  /** Returns the record for readers, as `clusters` does; null: the cluster is unknown. */
  cluster(name: string): ClusterRecord | null {
    return this.#seen.has(name) || this.#desired?.clusters.has(name) ? this.#show(name) : null;
  }

  clusters(): readonly ClusterRecord[] {
    this.#names ??= [...new Set([...(this.#desired?.clusters.keys() ?? []), ...this.#seen.keys()])].sort(byText);
    return this.#names.map((name) => this.#show(name));
  }

  set(record: ClusterRecord): void {
    const before = this.get(record.name);
    if (isSignOfLife(before, record)) {
      this.see(record.name, record.lastSeen?.at ?? '');
      return;
    }
    if (isUnseen(record) === this.#seen.has(record.name)) this.#names = undefined;
    if (isUnseen(record)) this.#seen.delete(record.name);
    else this.#seen.set(record.name, record);
    this.#neverSeen.delete(record.name);
    if (!isHeartbeat(before, record)) this.#notify({ kind: 'cluster', cluster: record.name });
  }

  /** Records a sign of life of a connected cluster. @param time RFC 3339 */
  see(name: string, time: string): void {
    const { lastSeen } = this.get(name);
    if (lastSeen !== null) lastSeen.at = time;
  }

  /**
   * Makes readers see these clusters as not observed until they are resumed.
   *
   * @param time RFC 3339
   */
  suspend(names: readonly string[], time: string): void {
    for (const cluster of names) {
      this.#suspended.add(cluster, time);
      this.#notify({ kind: 'cluster', cluster });
    }
  }

  resume(names: readonly string[]): void {
    for (const cluster of names) if (this.#suspended.delete(cluster)) this.#notify({ kind: 'cluster', cluster });
  }

  addEvents(added: readonly EventView[]): void {
    this.#events.add(added);
    for (const event of added) this.#notify({ kind: 'event', event });
  }

  /** Replaces all events by the newest ones of the database. Does not notify. */
  replaceEvents(events: readonly EventView[]): void {
    this.#events = new RecentEvents(this.#eventLimit);
    this.#events.add(events);
  }

  /** Notifies that the database lost commits and everything was read again. */
  noteLost(): void {
    this.#notify({ kind: 'lost' });
  }

  /** Returns events in memory, newest first. */
  events(query: RecentQuery): readonly EventView[] {
    return this.#events.find(query);
  }

  /** Whether memory holds all events of the ledger. */
  hasAllEvents(): boolean {
    return this.#events.isComplete;
  }

  /** Id of the newest event; 0 if there is none. */
  lastEvent(): number {
    return this.#events.last;
  }

  subscribe(handler: (change: LedgerChange) => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  #notify(change: LedgerChange): void {
    for (const handler of this.#handlers) handler(change);
  }

  #show(name: string): ClusterRecord {
    return this.#suspended.show(showDiverged(this.get(name)));
  }

  #neverSeenCluster(name: string): ClusterRecord {
    const record = this.#neverSeen.get(name) ?? neverSeenCluster(name);
    if (this.#desired?.clusters.has(name)) this.#neverSeen.set(name, record);
    return record;
  }
}
