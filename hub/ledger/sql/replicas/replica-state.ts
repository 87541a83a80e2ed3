import type { EventView } from '@fso/shared/api';
import type { Kysely } from 'kysely';
import type { KeyedCache } from '../../keyed-store.ts';
import type { LedgerCache } from '../../ledger-cache.ts';
import type { PolicyLists } from '../../policies/index.ts';
import type { ReportMemory } from '../../report-quota.ts';
import type { Batch, StoredCluster, StoredLedger } from '../batch/plan-batch.ts';
import type { WrittenBatch } from '../batch/write-batch.ts';
import { CLEARED } from '../history/history.ts';
import { readNewestLists } from '../policy-lists.ts';
import type { Schema } from '../schema.ts';
import { loadNewEvents } from '../search/events.ts';
import { loadState, readClusters, type StoredState } from './load.ts';

/** What is stored, as this process knows it, beside the cache that readers see; the two are changed together. */
export interface ReplicaState extends StoredLedger {
  /** Everything, at start. */
  load(db: Kysely<Schema>): Promise<void>;
  /** What a batch of this process made of it. */
  learn(batch: Batch, written: WrittenBatch): void;
  /**
   * Takes over what others wrote: of these clusters, if they are newer than what is known, of the repository, and all events. Within a
   * transaction that holds the write lock nothing is missed.
   */
  refresh(db: Kysely<Schema>, names: readonly string[]): Promise<void>;
}

const readRecords = (db: Kysely<Schema>, after: number): Promise<Schema['records'][]> =>
  db.selectFrom('records').selectAll().where('version', '>', after).execute();

/** Up to this version removed records may have left nothing. */
const clearedUpTo = (rows: readonly Schema['records'][]): number =>
  Number(rows.find(({ kind, name }) => kind === CLEARED.kind && name === CLEARED.name)?.value_json ?? 0);

export interface ReplicaStateDeps {
  readonly cache: LedgerCache;
  readonly records: KeyedCache;
  readonly memory: ReportMemory;
  readonly lists: PolicyLists;
  /** Newest events that are read at start. */
  readonly eventsInMemory: number;
}

export const createReplicaState = ({ cache, records, memory, lists, eventsInMemory }: ReplicaStateDeps): ReplicaState => {
  const marks = new Map<string, Omit<StoredCluster, 'record'>>();
  let state: StoredState = { source: { value: null, version: 0 }, desired: { value: null, version: 0 } };

  const cluster = (name: string): StoredCluster => ({
    record: cache.get(name),
    ...(marks.get(name) ?? { version: 0, connectedBy: null, stream: null, writtenSeen: null }),
  });
  const learnCluster = ({ record, ...mark }: StoredCluster): void => {
    // Two ways lead here, a batch of one's own and news of another's: the newer one stays.
    if (mark.version <= (marks.get(record.name)?.version ?? 0)) return;
    marks.set(record.name, mark);
    memory.learn(cache.get(record.name).policies, record.policies);
    cache.set(record);
  };
  const learnClusters = async (db: Kysely<Schema>, names: readonly string[]): Promise<void> => {
    for await (const stored of readClusters(db, names, { lists, knownOf: cluster })) learnCluster(stored);
  };
  /** As of clusters, the newer one stays, whichever comes first. */
  const learnState = (next: StoredState): void => {
    const { source, desired } = state;
    state = {
      source: next.source.version > source.version ? next.source : source,
      desired: next.desired.version > desired.version ? next.desired : desired,
    };
    const { value } = state.source;
    if (value !== null && JSON.stringify(value) !== JSON.stringify(source.value)) cache.setSource(value);
  };
  const learnEvents = (events: readonly EventView[]): void => {
    const last = cache.lastEvent();
    cache.addEvents(events.filter(({ id }) => id > last));
  };
  /** Version up to which all records are known. */
  let recordsUpTo = 0;
  const learnRecords = async (db: Kysely<Schema>): Promise<void> => {
    let rows = await readRecords(db, recordsUpTo);
    if (clearedUpTo(rows) > recordsUpTo) {
      rows = await readRecords(db, 0);
      const newest = rows.reduce((last, { version }) => Math.max(last, version), 0);
      records.keepOnly(rows, newest);
    }
    for (const { kind, name, value_json, version } of rows) {
      records.set({ kind, name }, value_json === null ? undefined : JSON.parse(value_json), version);
      recordsUpTo = Math.max(recordsUpTo, version);
    }
  };

  return {
    get source() {
      return state.source.value;
    },
    get desired() {
      return state.desired.value;
    },
    cluster,
    record: records.get,
    quotaOf: (record) => memory.quotaOf(record, cache.desired()),
    lists,
    load: async (db) => {
      const names = await db.selectFrom('clusters').select('name').orderBy('name').execute();
      await learnClusters(
        db,
        names.map(({ name }) => name),
      );
      await readNewestLists(db, lists);
      learnState(await loadState(db));
      await learnRecords(db);
      learnEvents((await loadNewEvents(db, 0, eventsInMemory)).reverse());
    },
    learn: (batch, { version, events }) => {
      for (const { after } of batch.clusters.values()) learnCluster({ ...after, version, writtenSeen: after.record.lastSeen?.at ?? null });
      learnState({
        source: batch.source === null ? state.source : { value: batch.source, version },
        desired: batch.desired === null ? state.desired : { value: batch.desired, version },
      });
      for (const { kind, name, value } of batch.records.values()) records.set({ kind, name }, value, version);
      // Before it was written all others were read: what is read next begins behind it.
      recordsUpTo = Math.max(recordsUpTo, version);
      learnEvents(events);
    },
    refresh: async (db, names) => {
      await learnClusters(db, names);
      learnState(await loadState(db));
      await learnRecords(db);
      learnEvents((await loadNewEvents(db, cache.lastEvent(), eventsInMemory)).reverse());
    },
  };
};
