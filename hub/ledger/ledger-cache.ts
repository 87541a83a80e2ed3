import type { EventView, SourceView } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { weakMemo } from '@fso/shared/runtime';
import { isUnseen, unseen } from './changes.ts';
import { RecentEvents, type RecentQuery } from './recent-events.ts';
import { SuspendedClusters } from './suspended-clusters.ts';
import type { ClusterRecord, Desired, FoundEvents, LedgerChange } from './types.ts';

/** Memory copy of the ledger. Reads are served from it, whatever the state of a database. */
export interface LedgerCache {
  source(): SourceView | null;
  setSource(source: SourceView): void;
  desired(): Desired | null;
  setDesired(desired: Desired): void;
  /** Returns the stored record; an empty one for a cluster that was never seen. */
  get(name: string): ClusterRecord;
  /** Returns a record as readers see it, as `clusters` does. */
  cluster(name: string): ClusterRecord | null;
  clusters(): readonly ClusterRecord[];
  set(record: ClusterRecord): void;
  /** A connected cluster gave a sign of life. @param time RFC 3339 */
  see(name: string, time: string): void;
  /** Readers get these clusters as not observed, until they are resumed. @param time RFC 3339 */
  suspend(names: readonly string[], time: string): void;
  resume(names: readonly string[]): void;
  addEvents(events: readonly EventView[]): void;
  /** Returns events in memory, newest first. */
  events(query: RecentQuery): readonly EventView[];
  /** Whether those in memory are all that there are. */
  hasAllEvents(): boolean;
  /** Id of the newest one; 0: there is none. */
  lastEvent(): number;
  subscribe(handler: (change: LedgerChange) => void): () => void;
}

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

/** @param eventLimit events kept; see {@link RecentEvents} for which ones */
export const createLedgerCache = (eventLimit: number): LedgerCache => {
  let source: SourceView | null = null;
  let desired: Desired | null = null;
  const seen = new Map<string, ClusterRecord>();
  const events = new RecentEvents(eventLimit);
  const handlers = new Set<(change: LedgerChange) => void>();
  const notify = (change: LedgerChange): void => {
    for (const handler of handlers) handler(change);
  };
  /** Records of registered clusters never seen; cached, as readers detect changes by identity. */
  const neverSeen = new Map<string, ClusterRecord>();
  const unseenOf = (name: string): ClusterRecord => {
    const record = neverSeen.get(name) ?? unseen(name);
    if (desired?.clusters.has(name)) neverSeen.set(name, record);
    return record;
  };
  const get = (name: string): ClusterRecord => seen.get(name) ?? unseenOf(name);
  const see = (name: string, time: string): void => {
    const { lastSeen } = get(name);
    if (lastSeen !== null) lastSeen.at = time;
  };
  /** Sorted names of all clusters; undefined: some may have come or gone. */
  let names: readonly string[] | undefined;
  const suspended = new SuspendedClusters();
  const show = (name: string): ClusterRecord => suspended.show(showDiverged(get(name)));

  return {
    source: () => source,
    setSource: (view) => {
      source = view;
      notify({ kind: 'source' });
    },
    desired: () => desired,
    setDesired: (next) => {
      desired = next;
      names = undefined;
      for (const name of neverSeen.keys()) if (!next.clusters.has(name)) neverSeen.delete(name);
      notify({ kind: 'desired', revision: next.revision });
    },
    get,
    cluster: (name) => (seen.has(name) || desired?.clusters.has(name) ? show(name) : null),
    clusters: () => {
      names ??= [...new Set([...(desired?.clusters.keys() ?? []), ...seen.keys()])].sort(byText);
      return names.map(show);
    },
    set: (record) => {
      const before = get(record.name);
      if (isSignOfLife(before, record)) {
        see(record.name, record.lastSeen?.at ?? '');
        return;
      }
      if (isUnseen(record) === seen.has(record.name)) names = undefined;
      if (isUnseen(record)) seen.delete(record.name);
      else seen.set(record.name, record);
      neverSeen.delete(record.name);
      if (!isHeartbeat(before, record)) notify({ kind: 'cluster', cluster: record.name });
    },
    see,
    suspend: (names, time) => {
      for (const cluster of names) {
        suspended.add(cluster, time);
        notify({ kind: 'cluster', cluster });
      }
    },
    resume: (names) => {
      for (const cluster of names) if (suspended.delete(cluster)) notify({ kind: 'cluster', cluster });
    },
    addEvents: (added) => {
      events.add(added);
      for (const event of added) notify({ kind: 'event', event });
    },
    events: (query) => events.find(query),
    hasAllEvents: () => events.isComplete,
    lastEvent: () => events.last,
    subscribe: (handler) => {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
  };
};
