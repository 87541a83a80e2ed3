import type { EventView, SourceView } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { weakMemo } from '@fso/shared/runtime';
import { isUnseen, neverSeenCluster } from './changes.ts';
import { RecentEvents, type RecentQuery } from './recent-events.ts';
import { SuspendedClusters } from './suspended-clusters.ts';
import type { ClusterRecord, Desired, FoundEvents, LedgerChange } from './types.ts';

/**
 * Whether nothing but lastSeen of a connected cluster moves: then the record stays, and readers
 * find nothing new.
 */
const isSignOfLife = (before: ClusterRecord, after: ClusterRecord): boolean =>
  before.connected && (Object.keys(after) as (keyof ClusterRecord)[]).every((key) => key === 'lastSeen' || before[key] === after[key]);

/** Whether all that readers show of a connected cluster stays as it was: then none is woken. */
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

/**
 * Name of the part that is out of date in a cluster after one of its reports was lost or not kept.
 */
export const DIVERGED = 'Reports';

const asDiverged = weakMemo(
  (record: ClusterRecord): ClusterRecord => ({ ...record, notObserved: { since: record.divergedSince ?? '', what: [DIVERGED] } }),
);

/**
 * Returns a record as readers see it. One that differs from the reports of its agent counts as not
 * observed. The others are in no memo: an entry for each costs every collection of garbage.
 */
const showDiverged = (record: ClusterRecord): ClusterRecord =>
  record.divergedSince !== null && record.connected && record.notObserved === null ? asDiverged(record) : record;

/** Wraps events that were found in memory. A full page may not be all of them. */
export const foundIn = (events: readonly EventView[], limit: number): FoundEvents => ({
  events,
  next: events.length < limit ? null : (events.at(-1)?.id ?? null),
});

/** Memory copy of the ledger. Reads are served from it, whatever the state of a database. */
export class LedgerCache {
  #source: SourceView | null = null;
  #desired: Desired | null = null;
  readonly #seen = new Map<string, ClusterRecord>();
  /** Records of registered clusters never seen; cached, as readers detect changes by identity. */
  readonly #neverSeen = new Map<string, ClusterRecord>();
  /** Sorted names of all clusters; undefined: some may have come or gone. */
  #names: readonly string[] | undefined;
  readonly #suspended = new SuspendedClusters();
  readonly #eventLimit: number;
  #events: RecentEvents;
  readonly #handlers = new Set<(change: LedgerChange) => void>();

  /** @param eventLimit events kept; see {@link RecentEvents} for which ones */
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

  /** Returns the stored record; an empty one for a cluster that was never seen. */
  get(name: string): ClusterRecord {
    return this.#seen.get(name) ?? this.#neverSeenCluster(name);
  }

  /** Returns a record as readers see it, as `clusters` does. */
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

  /** A connected cluster gave a sign of life. @param time RFC 3339 */
  see(name: string, time: string): void {
    const { lastSeen } = this.get(name);
    if (lastSeen !== null) lastSeen.at = time;
  }

  /** Readers get these clusters as not observed, until they are resumed. @param time RFC 3339 */
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

  /** Replaces all events by the newest ones there are, without a notification. */
  replaceEvents(events: readonly EventView[]): void {
    this.#events = new RecentEvents(this.#eventLimit);
    this.#events.add(events);
  }

  /** Notifies that everything was read again, as commits were lost. */
  noteLost(): void {
    this.#notify({ kind: 'lost' });
  }

  /** Returns events in memory, newest first. */
  events(query: RecentQuery): readonly EventView[] {
    return this.#events.find(query);
  }

  /** Whether those in memory are all that there are. */
  hasAllEvents(): boolean {
    return this.#events.isComplete;
  }

  /** Id of the newest one; 0: there is none. */
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
