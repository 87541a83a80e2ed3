import { byText } from '@fso/shared/encoding';
import type { Kysely, Transaction } from 'kysely';
import { isUnseen } from '../changes.ts';
import { compactHistory, historyOf, narrowHistory, stateAt } from '../cluster-history.ts';
import type { ClusterRecord, FoundHistory, HistoryChange, HistoryQuery, StateQuery, StateThen } from '../types.ts';
import type { ClusterWrite } from './batch/plan-batch.ts';
import { slices } from './batch/statements.ts';
import type { Database } from './database.ts';
import type { Schema } from './schema.ts';
import { searchWindows, WINDOW } from './search/windows.ts';
import { lockWrites } from './write-lock.ts';

interface NewRow {
  readonly cluster: string;
  readonly time: string;
  readonly changes_json: string;
}

const rowOf = (cluster: string, changes: readonly HistoryChange[]): NewRow => ({
  cluster,
  time: changes.at(-1)?.time ?? '',
  changes_json: JSON.stringify(changes),
});

/** Rows are made as their turn comes: those of many clusters are much text. */
const insertRows = async (trx: Transaction<Schema>, rows: Iterable<NewRow>): Promise<void> => {
  for (const values of slices(rows, ({ changes_json }) => changes_json.length))
    await trx.insertInto('cluster_history').values(values).execute();
};

/** Adds what a batch makes of its clusters. */
export const writeHistory = (writes: readonly ClusterWrite[], trx: Transaction<Schema>): Promise<void> =>
  insertRows(
    trx,
    writes.flatMap(({ after, history }) => history.map((change) => rowOf(after.record.name, [change]))),
  );

/** Of clusters whose hub is gone without a word: their streams ended when they were last known to be there. */
export const endConnections = async (
  trx: Transaction<Schema>,
  clusters: readonly { readonly name: string; readonly last_seen: string | null }[],
): Promise<void> => {
  const rows: NewRow[] = [];
  for (const { name, last_seen } of clusters) {
    const newest = await trx
      .selectFrom('cluster_history')
      .select('time')
      .where('cluster', '=', name)
      .orderBy('id', 'desc')
      .limit(1)
      .executeTakeFirst();
    const time = [last_seen ?? '', newest?.time ?? ''].sort(byText).at(-1) ?? '';
    rows.push(rowOf(name, [{ time, connected: false }]));
  }
  await insertRows(trx, rows);
};

const isWhole = async (db: Kysely<Schema>): Promise<boolean> => {
  const { value, history } = await db.selectFrom('ledger_version').select(['value', 'history']).executeTakeFirstOrThrow();
  return value === history;
};

function* gapRows(clusters: Iterable<ClusterRecord>, { from, to }: { from: string | undefined; to: string }): Generator<NewRow> {
  const gap: HistoryChange[] = from === undefined ? [] : [{ time: from, nothing: true }];
  for (const record of clusters) if (!isUnseen(record)) yield rowOf(record.name, [...gap, historyOf(record, to)]);
}

/**
 * Where a program has written that knows no history, or a backup was restored, it says so, and goes on from what is known now.
 *
 * @param read all clusters, as they are stored
 */
export const mendHistory = async (
  { db, shared }: Pick<Database, 'db' | 'shared'>,
  { now, read }: { readonly now: Date; readonly read: (trx: Transaction<Schema>) => Promise<readonly ClusterRecord[]> },
): Promise<void> => {
  if (await isWhole(db)) return;
  await db.transaction().execute(async (trx) => {
    if (shared) await lockWrites(trx);
    const newest = await trx.selectFrom('cluster_history').select('time').orderBy('id', 'desc').limit(1).executeTakeFirst();
    await insertRows(trx, gapRows(await read(trx), { from: newest?.time, to: now.toISOString() }));
    await trx
      .updateTable('ledger_version')
      .set((eb) => ({ history: eb.ref('value') }))
      .execute();
  });
};

interface StoredRow {
  readonly id: number;
  /** Oldest first. */
  readonly changes: readonly HistoryChange[];
}

/** Rows of a cluster before one, newest first. */
const readWindow = async (db: Kysely<Schema>, cluster: string, before: number | undefined): Promise<StoredRow[]> => {
  let query = db.selectFrom('cluster_history').select(['id', 'changes_json']).where('cluster', '=', cluster);
  if (before !== undefined) query = query.where('id', '<', before);
  const rows = await query.orderBy('id', 'desc').limit(WINDOW).execute();
  return rows.map(({ id, changes_json }) => ({ id, changes: JSON.parse(changes_json) as HistoryChange[] }));
};

async function* newestFirst(db: Kysely<Schema>, cluster: string, signal: AbortSignal | undefined): AsyncGenerator<HistoryChange> {
  let before: number | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const rows = await readWindow(db, cluster, before);
    for (const { changes } of rows) yield* changes.toReversed();
    if (rows.length < WINDOW) return;
    before = rows.at(-1)?.id;
  }
}

/** How it stood with a policy in a cluster at a time. */
export const findState = (db: Kysely<Schema>, { cluster, signal, ...query }: StateQuery): Promise<StateThen> =>
  stateAt(newestFirst(db, cluster, signal), query);

/** What became otherwise in a cluster and with a policy in it, newest first; all of a row, which may be a few more than asked for. */
export const listHistory = async (db: Kysely<Schema>, { cluster, policy, before, limit, signal }: HistoryQuery): Promise<FoundHistory> => {
  const step = async (from: number | undefined, wanted: number) => {
    const rows = await readWindow(db, cluster, from);
    const items: HistoryChange[] = [];
    let last = from;
    for (const { id, changes } of rows) {
      items.push(...changes.toReversed().flatMap((change) => narrowHistory(change, policy) ?? []));
      last = id;
      if (items.length >= wanted) break;
    }
    return last === undefined || rows.length === 0 ? undefined : { items, last };
  };
  const { items, next } = await searchWindows({ from: before, limit, signal, step });
  return { changes: items, next };
};

/** Rows of a cluster that are kept as they are, however young: one that changes all the time must not fill the database. */
const KEPT = 10_000;
/** Rows that are put together at a time. */
const ROWS = 1_000;

/** The first cluster behind a name. */
const nextCluster = async (db: Kysely<Schema>, after: string): Promise<string | null> => {
  const row = await db
    .selectFrom('cluster_history')
    .select((eb) => eb.fn.min<string | null>('cluster').as('cluster'))
    .where('cluster', '>', after)
    .executeTakeFirst();
  return row?.cluster ?? null;
};

/** Rows up to this one are more than are kept; 0: none. */
const excessUpTo = async (db: Kysely<Schema>, cluster: string): Promise<number> => {
  const rows = db.selectFrom('cluster_history').select('id').where('cluster', '=', cluster);
  return (await rows.orderBy('id', 'desc').offset(KEPT).limit(1).executeTakeFirst())?.id ?? 0;
};

/** Puts the oldest rows of a cluster together. @returns whether there may be more of them */
const compactSome = async ({ db, shared }: Pick<Database, 'db' | 'shared'>, cluster: string, oldest: string): Promise<boolean> => {
  const excess = await excessUpTo(db, cluster);
  const first = db.selectFrom('cluster_history').selectAll().where('cluster', '=', cluster).orderBy('id');
  const isDue = ({ id, time }: { id: number; time: string }): boolean => id <= excess || time < oldest;
  const [, second] = await first.limit(2).execute();
  if (second === undefined || !isDue(second)) return false;
  const rows = await first.limit(ROWS).execute();
  const end = rows.findIndex((row) => !isDue(row));
  const due = end < 0 ? rows : rows.slice(0, end);
  const last = due.at(-1);
  if (last === undefined) return false;
  const changes = compactHistory(due.flatMap(({ changes_json }) => JSON.parse(changes_json) as HistoryChange[]));
  await db.transaction().execute(async (trx) => {
    if (shared) await lockWrites(trx);
    await trx.deleteFrom('cluster_history').where('cluster', '=', cluster).where('id', '<', last.id).execute();
    await trx
      .updateTable('cluster_history')
      .set({ changes_json: JSON.stringify(changes) })
      .where('id', '=', last.id)
      .execute();
  });
  return due.length === ROWS;
};

/** Of what is older than a time, or too much, keeps what still stood at its end. */
export const clearClusterHistory = async (database: Pick<Database, 'db' | 'shared'>, oldest: Date, signal: AbortSignal): Promise<void> => {
  for (let cluster = await nextCluster(database.db, ''); cluster !== null && !signal.aborted; )
    if (!(await compactSome(database, cluster, oldest.toISOString()))) cluster = await nextCluster(database.db, cluster);
};
