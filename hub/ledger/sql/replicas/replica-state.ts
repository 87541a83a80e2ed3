import type { EventView, SourceView } from '@fso/shared/api';
import type { Kysely, Transaction } from 'kysely';
import { neverSeenCluster } from '../../changes.ts';
import type { KeyedCache } from '../../keyed-store.ts';
import type { LedgerCache } from '../../ledger-cache.ts';
import type { PolicyLists } from '../../policies/index.ts';
import type { ReportMemory, ReportQuota } from '../../report-quota.ts';
import type { ClusterRecord } from '../../types.ts';
import type { Batch, StoredCluster, StoredLedger } from '../batch/plan-batch.ts';
import type { BegunBatch, WrittenBatch } from '../batch/write-batch.ts';
import { CommitsLostError } from '../errors.ts';
import { CLEARING_KEY } from '../history/history.ts';
import { readNewestLists } from '../policy-lists.ts';
import type { Schema } from '../schema.ts';
import { loadNewEvents } from '../search/events.ts';
import { readBatch, readVersion, readWrittenVersion } from '../write-lock.ts';
import { loadState, readClusters, type StoredState } from './load.ts';

const readRecords = (db: Kysely<Schema>, after: number): Promise<Schema['records'][]> =>
  db.selectFrom('records').selectAll().where('version', '>', after).execute();

/** Returns the version up to which tombstones of records may have been deleted. */
const clearedUpTo = (rows: readonly Schema['records'][]): number =>
  Number(rows.find(({ kind, name }) => kind === CLEARING_KEY.kind && name === CLEARING_KEY.name)?.value_json ?? 0);

/** Caches that follow the database. */
export interface ReplicaStateDeps {
  readonly cache: LedgerCache;
  readonly records: KeyedCache;
  readonly memory: ReportMemory;
  readonly lists: PolicyLists;
  /** Number of newest events that are read at start. */
  readonly eventsInMemory: number;
}

/**
 * Stored state as this process knows it, besides the cache for readers. Both are updated together.
 */
export class ReplicaState implements StoredLedger {
  readonly #deps: ReplicaStateDeps;
  readonly #marks = new Map<string, Omit<StoredCluster, 'record'>>();
  #state: StoredState = { source: { value: null, version: 0 }, desired: { value: null, version: 0 } };
  /** Version up to which all records are known. */
  #recordsUpTo = 0;
  /** Version up to which all writes of other hubs are known. */
  #upTo = 0;
  /** Newest version known to be committed. */
  #newest = 0;
  /** Number of the last committed batch of this process. */
  #lastBatch = 0;
  #startingOver: Promise<void> | undefined;

  constructor(deps: ReplicaStateDeps) {
    this.#deps = deps;
  }

  get source(): SourceView | null {
    return this.#state.source.value;
  }

  get desired(): string | null {
    return this.#state.desired.value;
  }

  get lists(): PolicyLists {
    return this.#deps.lists;
  }

  cluster(name: string): StoredCluster {
    return {
      record: this.#deps.cache.get(name),
      ...(this.#marks.get(name) ?? { version: 0, connectedBy: null, stream: null, writtenSeen: null }),
    };
  }

  record(kind: string, name: string): unknown {
    return this.#deps.records.get(kind, name);
  }

  quotaOf(record: ClusterRecord): ReportQuota {
    return this.#deps.memory.quotaOf(record, this.#deps.cache.desired());
  }

  /** Reads everything, at start. */
  async load(db: Kysely<Schema>): Promise<void> {
    const { cache, lists, eventsInMemory } = this.#deps;
    const upTo = await readVersion(db);
    const names = await db.selectFrom('clusters').select('name').orderBy('name').execute();
    await this.#learnClusters(
      db,
      names.map(({ name }) => name),
    );
    this.#upTo = upTo;
    await readNewestLists(db, lists);
    this.#learnState(await loadState(db));
    await this.#learnRecords(db);
    cache.replaceEvents((await loadNewEvents(db, 0, eventsInMemory)).reverse());
    this.#newest = upTo;
  }

  /** Records that a batch is committed. @param batch number of a batch of this process */
  noteCommitted(batch: number): void {
    this.#lastBatch = batch;
  }

  /**
   * Reads everything again, as at start. Callers that notice a loss at the same time share one run.
   * Known state is replaced even if it is newer. If reading fails, the loss is noticed again later.
   */
  startOver(db: Kysely<Schema>, replica: string): Promise<void> {
    this.#startingOver ??= this.#readAgain(db, replica).finally(() => {
      this.#startingOver = undefined;
    });
    return this.#startingOver;
  }

  async #readAgain(db: Kysely<Schema>, replica: string): Promise<void> {
    const { cache, records, memory } = this.#deps;
    const [newest, lastBatch] = [this.#newest, this.#lastBatch];
    const { source, desired } = this.#state;
    this.#state = { source: { ...source, version: 0 }, desired: { ...desired, version: 0 } };
    for (const [name, mark] of this.#marks) this.#marks.set(name, { ...mark, version: 0 });
    this.#recordsUpTo = 0;
    records.forgetVersions();
    await this.load(db);
    for (const [name, { version }] of this.#marks) {
      if (version > 0) continue;
      this.#marks.delete(name);
      const none = neverSeenCluster(name);
      memory.learn(cache.get(name).policies, none.policies);
      cache.set(none);
    }
    this.#lastBatch = await readBatch(db, replica);
    if (this.#lastBatch < lastBatch || this.#newest < newest) cache.noteLost();
  }

  /** Applies the result of a batch of this process. */
  learn(batch: Batch, { version, events }: WrittenBatch): void {
    for (const { after } of batch.clusters.values())
      this.#learnCluster({ ...after, version, writtenSeen: after.record.lastSeen?.at ?? null, hasWholeReport: false });
    this.#learnState({
      source: batch.source === null ? this.#state.source : { value: batch.source, version },
      desired: batch.desired === null ? this.#state.desired : { value: batch.desired, version },
    });
    for (const { kind, name, value } of batch.records.values()) this.#deps.records.set({ kind, name }, value, version);
    // All earlier versions had been read before this batch was written.
    this.#recordsUpTo = Math.max(this.#recordsUpTo, version);
    this.#learnEvents(events);
    if (version === this.#upTo + 1) this.#upTo = version;
    this.#newest = Math.max(this.#newest, version);
  }

  /**
   * Reads what other hubs wrote: the given clusters if they are newer, the repository state,
   * records, and all events. Within a transaction that holds the write lock nothing is missed.
   */
  async refresh(db: Kysely<Schema>, names: readonly string[]): Promise<void> {
    const { cache, eventsInMemory } = this.#deps;
    await this.#learnClusters(db, names);
    this.#learnState(await loadState(db));
    await this.#learnRecords(db);
    this.#learnEvents((await loadNewEvents(db, cache.lastEvent(), eventsInMemory)).reverse());
  }

  /**
   * Reads everything that other hubs wrote. Versions increase in the order of the commits, so none
   * is missed. If the newest version is older than a known one, everything is read again.
   */
  async catchUp(db: Kysely<Schema>, replica: string): Promise<void> {
    // Saved before the query, because this hub may commit until it is answered.
    const newest = this.#newest;
    const upTo = await readVersion(db);
    if (upTo < newest && (await readWrittenVersion(db)) < newest) return this.startOver(db, replica);
    await this.refresh(db, await this.#writtenByOthers(db, replica));
    this.#upTo = Math.max(this.#upTo, upTo);
    this.#newest = Math.max(this.#newest, upTo);
  }

  /**
   * Reads what other hubs wrote, limited to the given clusters: all hubs wait for this transaction,
   * so the other clusters are read later. Usually no other hub has written, and nothing is read.
   *
   * @throws CommitsLostError if the version is not new to this hub, or its last batch is missing
   */
  async catchUpOn(trx: Transaction<Schema>, { version, last }: BegunBatch, names: ReadonlySet<string>, replica: string): Promise<void> {
    if (version <= this.#newest || last < this.#lastBatch) throw new CommitsLostError();
    if (version === this.#upTo + 1) return;
    const written = await this.#writtenByOthers(trx, replica);
    await this.refresh(
      trx,
      written.filter((name) => names.has(name)),
    );
  }

  async #writtenByOthers(db: Kysely<Schema>, replica: string): Promise<readonly string[]> {
    const newer = db.selectFrom('clusters').select('name').where('version', '>', this.#upTo);
    return (await newer.where('writer', '!=', replica).execute()).map(({ name }) => name);
  }

  #learnCluster({ record, ...mark }: StoredCluster): void {
    const { cache, memory } = this.#deps;
    // A cluster is updated by own batches and by changes of other hubs. The newer state is kept.
    if (mark.version <= (this.#marks.get(record.name)?.version ?? 0)) return;
    this.#marks.set(record.name, mark);
    memory.learn(cache.get(record.name).policies, record.policies);
    cache.set(record);
  }

  async #learnClusters(db: Kysely<Schema>, names: readonly string[]): Promise<void> {
    const knownOf = (name: string): StoredCluster => this.cluster(name);
    for await (const stored of readClusters(db, names, { lists: this.#deps.lists, knownOf })) this.#learnCluster(stored);
  }

  /** Updates the state of the repository. The newer one is kept, whichever arrives first. */
  #learnState(next: StoredState): void {
    const { source, desired } = this.#state;
    this.#state = {
      source: next.source.version > source.version ? next.source : source,
      desired: next.desired.version > desired.version ? next.desired : desired,
    };
    const { value } = this.#state.source;
    if (value !== null && JSON.stringify(value) !== JSON.stringify(source.value)) this.#deps.cache.setSource(value);
  }

  #learnEvents(events: readonly EventView[]): void {
    const last = this.#deps.cache.lastEvent();
    this.#deps.cache.addEvents(events.filter(({ id }) => id > last));
  }

  async #learnRecords(db: Kysely<Schema>): Promise<void> {
    const { records } = this.#deps;
    const known = this.#recordsUpTo;
    const newer = await readRecords(db, known);
    const isCleared = clearedUpTo(newer) > known;
    const rows = known > 0 && isCleared ? await readRecords(db, 0) : newer;
    if (known === 0 || isCleared) {
      const newest = rows.reduce((last, { version }) => Math.max(last, version), 0);
      records.keepOnly(rows, newest);
    }
    for (const { kind, name, value_json, version } of rows) {
      records.set({ kind, name }, value_json === null ? undefined : JSON.parse(value_json), version);
      this.#recordsUpTo = Math.max(this.#recordsUpTo, version);
    }
  }
}
