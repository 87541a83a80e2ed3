import type { EventView, SourceView } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { isUnseen, unseen } from './changes.ts';
import { RecentEvents, type RecentQuery } from './recent-events.ts';
import { SuspendedClusters } from './suspended-clusters.ts';
import type { ClusterRecord, Desired, FoundEvents, LedgerChange } from './types.ts';

/** What the hub knows, in memory: reads are served from it, whatever a database does. */
export interface LedgerCache {
  source(): SourceView | null;
  setSource(source: SourceView): void;
  desired(): Desired | null;
  setDesired(desired: Desired): void;
  /** As it is stored; one that says nothing, for a cluster that was never seen. */
  get(name: string): ClusterRecord;
  /** For readers, as those of `clusters`. */
  cluster(name: string): ClusterRecord | null;
  clusters(): readonly ClusterRecord[];
  set(record: ClusterRecord): void;
  /** A connected cluster gave a sign of life. @param time RFC 3339 */
  see(name: string, time: string): void;
  /** Readers get these clusters as not observed, until they are resumed. @param time RFC 3339 */
  suspend(names: readonly string[], time: string): void;
  resume(names: readonly string[]): void;
  addEvents(events: readonly EventView[]): void;
  /** Newest first, of those that are in memory. */
  events(query: RecentQuery): readonly EventView[];
  /** Whether those in memory are all that there are. */
  hasAllEvents(): boolean;
  /** Id of the newest one; 0: there is none. */
  lastEvent(): number;
  subscribe(handler: (change: LedgerChange) => void): () => void;
}

/** What only moves lastSeen of a connected cluster wakes no reader. */
const isHeartbeat = (before: ClusterRecord, after: ClusterRecord): boolean =>
  before.connected &&
  after.connected &&
  before.notObserved === after.notObserved &&
  before.policies === after.policies &&
  before.notKept === after.notKept &&
  before.report === after.report &&
  before.acked === after.acked &&
  before.nack === after.nack &&
  before.offeredRevision === after.offeredRevision;

/** What was found in memory; as many as were asked for may not be all. */
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
  const get = (name: string): ClusterRecord => seen.get(name) ?? unseen(name);
  const suspended = new SuspendedClusters();
  const show = (name: string): ClusterRecord => suspended.show(get(name));

  return {
    source: () => source,
    setSource: (view) => {
      source = view;
      notify({ kind: 'source' });
    },
    desired: () => desired,
    setDesired: (next) => {
      desired = next;
      notify({ kind: 'desired', revision: next.revision });
    },
    get,
    cluster: (name) => (seen.has(name) || desired?.clusters.has(name) ? show(name) : null),
    clusters: () => {
      const names = new Set([...(desired?.clusters.keys() ?? []), ...seen.keys()]);
      return [...names].sort(byText).map(show);
    },
    set: (record) => {
      const before = get(record.name);
      if (isUnseen(record)) seen.delete(record.name);
      else seen.set(record.name, record);
      if (!isHeartbeat(before, record)) notify({ kind: 'cluster', cluster: record.name });
    },
    see: (name, lastSeen) => {
      const record = seen.get(name);
      if (record !== undefined) seen.set(name, { ...record, lastSeen });
    },
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
