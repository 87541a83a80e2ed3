import type { EventView, SourceView } from '@fso/shared/api';
import type { Kysely, Transaction } from 'kysely';
import type { KeyedCache } from '../../keyed-store.ts';
import type { LedgerCache } from '../../ledger-cache.ts';
import type { PolicyLists } from '../../policies/index.ts';
import type { ReportMemory, ReportQuota } from '../../report-quota.ts';
import type { ClusterRecord } from '../../types.ts';
import type { Batch, StoredCluster, StoredLedger } from '../batch/plan-batch.ts';
import type { WrittenBatch } from '../batch/write-batch.ts';
import { CLEARED } from '../history/history.ts';
import { readNewestLists } from '../policy-lists.ts';
import type { Schema } from '../schema.ts';
import { loadNewEvents } from '../search/events.ts';
import { readVersion } from '../write-lock.ts';
import { loadState, readClusters, type StoredState } from './load.ts';

const readRecords = (db: Kysely<Schema>, after: number): Promise<Schema['records'][]> =>
  db.selectFrom('records').selectAll().where('version', '>', after).execute();

/** Returns the version up to which removed records may have been cleared. */
const clearedUpTo = (rows: readonly Schema['records'][]): number =>
  Number(rows.find(({ kind, name }) => kind === CLEARED.kind && name === CLEARED.name)?.value_json ?? 0);

export interface ReplicaStateDeps {
  readonly cache: LedgerCache;
  readonly records: KeyedCache;
  readonly memory: ReportMemory;
  readonly lists: PolicyLists;
  /** Number of newest events that are read at start. */
  readonly eventsInMemory: number;
}

/**
 * Stored state as this process knows it, beside the cache that readers see. The two are changed
 * together.
 */
export class ReplicaState implements StoredLedger {
  readonly #deps: ReplicaStateDeps;
  readonly #marks = new Map<string, Omit<StoredCluster, 'record'>>();
  #state: StoredState = { source: { value: null, version: 0 }, desired: { value: null, version: 0 } };
  /** Version up to which all records are known. */
  #recordsUpTo = 0;
  /** Version up to which all is known that others wrote. */
  #upTo = 0;

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

  /** Everything, at start. */
  async load(db: Kysely<Schema>): Promise<void> {
    const { lists, eventsInMemory } = this.#deps;
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
    this.#learnEvents((await loadNewEvents(db, 0, eventsInMemory)).reverse());
  }

  /** Takes over the result of a batch of this process. */
  learn(batch: Batch, { version, events }: WrittenBatch): void {
    for (const { after } of batch.clusters.values())
      this.#learnCluster({ ...after, version, writtenSeen: after.record.lastSeen?.at ?? null, hasWholeReport: false });
    this.#learnState({
      source: batch.source === null ? this.#state.source : { value: batch.source, version },
      desired: batch.desired === null ? this.#state.desired : { value: batch.desired, version },
    });
    for (const { kind, name, value } of batch.records.values()) this.#deps.records.set({ kind, name }, value, version);
    // Before it was written all others were read: what is read next begins behind it.
    this.#recordsUpTo = Math.max(this.#recordsUpTo, version);
    this.#learnEvents(events);
    if (version === this.#upTo + 1) this.#upTo = version;
  }

  /**
   * Takes over the writes of others: these clusters, if they are newer than the known ones, the
   * repository, and all events. Within a transaction that holds the write lock nothing is missed.
   */
  async refresh(db: Kysely<Schema>, names: readonly string[]): Promise<void> {
    const { cache, eventsInMemory } = this.#deps;
    await this.#learnClusters(db, names);
    this.#learnState(await loadState(db));
    await this.#learnRecords(db);
    this.#learnEvents((await loadNewEvents(db, cache.lastEvent(), eventsInMemory)).reverse());
  }

  /**
   * Takes over all that others have written. Versions grow in the order of the commits, so none is
   * missed.
   */
  async catchUp(db: Kysely<Schema>, replica: string): Promise<void> {
    const upTo = await readVersion(db);
    await this.refresh(db, await this.#writtenByOthers(db, replica));
    this.#upTo = Math.max(this.#upTo, upTo);
  }

  /**
   * Takes over what others have written, of the clusters only these: what another hub writes of its
   * own clusters is not read while all hubs wait for the end of this transaction. Most of the time
   * no other hub has written, and nothing is read.
   *
   * @param version of the transaction
   */
  async catchUpOn(trx: Transaction<Schema>, version: number, names: ReadonlySet<string>, replica: string): Promise<void> {
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
    // Two ways lead here, a batch of one's own and news of another's: the newer one stays.
    if (mark.version <= (this.#marks.get(record.name)?.version ?? 0)) return;
    this.#marks.set(record.name, mark);
    memory.learn(cache.get(record.name).policies, record.policies);
    cache.set(record);
  }

  async #learnClusters(db: Kysely<Schema>, names: readonly string[]): Promise<void> {
    const knownOf = (name: string): StoredCluster => this.cluster(name);
    for await (const stored of readClusters(db, names, { lists: this.#deps.lists, knownOf })) this.#learnCluster(stored);
  }

  /** Takes over the state of the repository. The newer one stays, whichever comes first. */
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
    let rows = await readRecords(db, this.#recordsUpTo);
    if (clearedUpTo(rows) > this.#recordsUpTo) {
      rows = await readRecords(db, 0);
      const newest = rows.reduce((last, { version }) => Math.max(last, version), 0);
      records.keepOnly(rows, newest);
    }
    for (const { kind, name, value_json, version } of rows) {
      records.set({ kind, name }, value_json === null ? undefined : JSON.parse(value_json), version);
      this.#recordsUpTo = Math.max(this.#recordsUpTo, version);
    }
  }
}
