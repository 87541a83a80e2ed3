import type { EventView } from '@fso/shared/api';
import { canonicalJson } from '@fso/shared/encoding';
import { type CompiledQuery, sql, type Transaction } from 'kysely';
import { type AuditHead, chainEntry } from '../../audit-log.ts';
import { historyQueries } from '../history/cluster-history.ts';
import { listQueries } from '../policy-lists.ts';
import type { Database, Schema } from '../schema.ts';
import { readHead } from '../search/audit-rows.ts';
import { lockWrites, versionIn, versionQuery } from '../write-lock.ts';
import type { Batch } from './plan-batch.ts';
import { insertRows } from './rows.ts';
import { type BatchContext, charactersOf, slices, storable } from './statements.ts';
import { clusterQueries } from './write-clusters.ts';

const writeEvents = async (events: Batch['events'], { trx }: BatchContext): Promise<EventView[]> => {
  const byDigest = new Map(events.map((prepared) => [prepared.digest, prepared]));
  const rows = [...byDigest.values()].map(({ cluster, event, digest, json, received }) => ({
    cluster,
    policy: event.policy === undefined ? null : storable(event.policy),
    severity: event.severity,
    reason: storable(event.reason),
    received,
    time_ms: Date.parse(event.time),
    digest,
    event_json: json,
  }));
  const views: EventView[] = [];
  const insertion = { into: 'events', onConflict: { key: ['digest'], keep: true }, returning: ['id', 'digest'] } as const;
  for (const query of insertRows(trx, insertion, rows)) {
    for (const { id, digest } of (await trx.executeQuery(query)).rows) {
      const found = byDigest.get(String(digest));
      if (found !== undefined) views.push({ ...found.event, id: Number(id), cluster: found.cluster });
    }
  }
  return views.sort((a, b) => a.id - b.id);
};

/** Writes audit entries. @returns sequence number of the previous entry if it is damaged */
const writeAudit = async (audit: Batch['audit'], { trx }: BatchContext): Promise<number | undefined> => {
  if (audit.length === 0) return undefined;
  const end = await readHead(trx);
  let head: AuditHead = end;
  const rows = audit.map(({ entry, time }) => {
    const placed = chainEntry(entry, head, time);
    head = placed;
    return { sequence: placed.sequence, entry_json: canonicalJson(placed) };
  });
  for (const query of insertRows(trx, { into: 'audit' }, rows)) await trx.executeQuery(query);
  return end.damaged ? end.sequence : undefined;
};

function* stateQueries({ source, desired }: Batch, { trx, version, replica: writer }: BatchContext): Generator<CompiledQuery> {
  const rows = [
    { name: 'source' as const, value: source },
    { name: 'desired' as const, value: desired },
  ].flatMap(({ name, value }) => (value === null ? [] : [{ name, json: JSON.stringify(value), version, writer }]));
  yield* insertRows(trx, { into: 'state', onConflict: { key: ['name'] } }, rows);
}

function* recordQueries({ records }: Batch, { trx, version }: BatchContext): Generator<CompiledQuery> {
  const rows = [...records.values()].map(({ kind, name, value }) => ({
    kind,
    name,
    value_json: value === undefined ? null : JSON.stringify(value),
    version,
  }));
  yield* insertRows(trx, { into: 'records', onConflict: { key: ['kind', 'name'] } }, rows);
}

function* proofQueries({ checkpoints, witnesses }: Batch, { trx }: BatchContext): Generator<CompiledQuery> {
  yield* insertRows(trx, { into: 'checkpoints', onConflict: { key: ['sequence', 'key'], keep: true } }, checkpoints);
  const rows = [...witnesses].map(([cluster, { checkpoint, time }]) => ({ cluster, ...checkpoint, seen: time }));
  yield* insertRows(trx, { into: 'witnesses', onConflict: { key: ['cluster'] } }, rows);
}

/** Channel on which a hub notifies the others that it wrote to the ledger. */
export const NOTIFY_CHANNEL = 'ledger_changes';

/** Result of a committed batch. */
export interface WrittenBatch {
  readonly version: number;
  /** Events that were not stored before, with their ids. */
  readonly events: readonly EventView[];
  /**
   * Sequence number of an unreadable audit entry that the first entry of the batch follows;
   * undefined: none.
   */
  readonly damaged: number | undefined;
  /** Bytes added to the history of each cluster, by name. */
  readonly historyBytes: ReadonlyMap<string, number>;
}

/** Transaction that writes a batch. */
interface BatchTransaction {
  readonly trx: Transaction<Schema>;
  readonly database: Pick<Database, 'runAll' | 'runLast' | 'shared'>;
  readonly replica: string;
}

/** Version of a new batch, and the batch before it. */
export interface BegunBatch {
  readonly version: number;
  /** Number of this process's previous batch in the database; 0: none. */
  readonly last: number;
}

/**
 * Begins a batch: waits for other writers and checks whether the batch is new. It is not new if it
 * was committed and only the answer was lost. A version without content does no harm.
 *
 * @param now returns the time of the commit, once no other hub writes
 * @returns undefined: the batch is not new
 */
export const beginBatch = async (
  { trx, database, replica }: BatchTransaction,
  batch: number,
  now: () => Date,
): Promise<BegunBatch | undefined> => {
  if (database.shared) await lockWrites(trx);
  const fence = trx
    .insertInto('replicas')
    .values({ id: replica, batch })
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet({ batch, heartbeat: sql`current_timestamp` }).where('replicas.batch', '<', batch),
    )
    .returning(sql<number | null>`(select batch from replicas as known where known.id = replicas.id)`.as('last'))
    .compile();
  const [[passed], versions] = await database.runAll(trx, [fence, versionQuery(trx, now().toISOString())]);
  return passed && { version: versionIn(versions), last: passed.last ?? 0 };
};

/**
 * Writes a batch under its version and commits the transaction.
 *
 * @returns also its new events, and the damaged entry that its audit entries follow
 */
export const writeBatch = async (batch: Batch, version: number, { trx, database, replica }: BatchTransaction): Promise<WrittenBatch> => {
  const context: BatchContext = { trx, texts: batch.texts, replica, version };
  const historyBytes = new Map<string, number>();
  function* queries(): Generator<CompiledQuery> {
    const clusters = [...batch.clusters.values()];
    yield* listQueries(batch.lists, trx, version);
    yield* clusterQueries(clusters, context);
    yield* historyQueries(clusters, trx, historyBytes);
    yield* stateQueries(batch, context);
    yield* recordQueries(batch, context);
    yield* proofQueries(batch, context);
    if (database.shared) yield sql`select pg_notify(${NOTIFY_CHANNEL}, ${replica})`.compile(trx);
  }
  const events = await writeEvents(batch.events, context);
  const damaged = await writeAudit(batch.audit, context);
  let last: readonly CompiledQuery[] = [];
  for (const some of slices(queries(), charactersOf)) {
    if (last.length > 0) await database.runAll(trx, last);
    last = some;
  }
  await database.runLast(trx, last);
  return { version, events, damaged, historyBytes };
};
