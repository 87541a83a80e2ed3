import { setImmediate } from 'node:timers/promises';
import { byText } from '@fso/shared/encoding';
import type { CompiledQuery, Kysely, Transaction } from 'kysely';
import { isUnseen } from '../../changes.ts';
import { fullChange } from '../../history/cluster-history.ts';
import { type FindPolicyList, findPolicyState, narrowHistory } from '../../history/policy-past.ts';
import type { ClusterRecord, FoundHistory, HistoryChange, HistoryQuery, PolicyStateAt, StateQuery } from '../../types.ts';
import type { ClusterWrite } from '../batch/plan-batch.ts';
import { insertRows } from '../batch/rows.ts';
import { slices } from '../batch/statements.ts';
import type { Database } from '../database.ts';
import type { Schema } from '../schema.ts';
import { searchWindows } from '../search/windows.ts';
import { lockWrites, readVersion } from '../write-lock.ts';

type NewRow = Omit<Schema['cluster_history'], 'id'>;

/**
 * Builds the columns of a row from changes.
 *
 * @param changes oldest first, with at most one baseline
 */
export const rowOf = (changes: readonly HistoryChange[]): Pick<NewRow, 'changes_json' | 'list'> => ({
  changes_json: JSON.stringify(changes),
  list: changes.flatMap(({ baseline }) => baseline?.list ?? [])[0] ?? null,
});

const makeRow = (cluster: string, changes: readonly HistoryChange[]): NewRow => ({
  cluster,
  time: changes.at(-1)?.time ?? '',
  ...rowOf(changes),
});

/** Creates insert queries. Rows are created lazily, because those of many clusters are large. */
const insertQueries = (trx: Transaction<Schema>, rows: Iterable<NewRow>): Generator<CompiledQuery> =>
  insertRows(trx, { into: 'cluster_history' }, rows);

const insertAll = async (trx: Transaction<Schema>, rows: Iterable<NewRow>): Promise<void> => {
  for (const query of insertQueries(trx, rows)) await trx.executeQuery(query);
};

/** Size of a row without its text, in bytes. */
export const ROW_BYTES = 100;

/**
 * Yields the queries that add the changes of a batch to the histories of its clusters.
 *
 * @param bytes receives the number of added bytes by cluster
 */
export function* historyQueries(
  writes: readonly ClusterWrite[],
  trx: Transaction<Schema>,
  bytes: Map<string, number>,
): Generator<CompiledQuery> {
  function* rows(): Generator<NewRow> {
    for (const { after, history } of writes)
      for (const change of history) {
        const row = makeRow(after.record.name, [change]);
        bytes.set(row.cluster, (bytes.get(row.cluster) ?? 0) + row.changes_json.length + ROW_BYTES);
        yield row;
      }
  }
  yield* insertQueries(trx, rows());
}

/** Maximum number of clusters in one statement or transaction. */
const CLUSTERS = 100;

/**
 * Reads the time of the newest change of each cluster. Each is an index lookup, however long the
 * history is.
 */
const readNewestTimes = async (trx: Transaction<Schema>, names: readonly string[]): Promise<Map<string, string | null>> => {
  const rows = await trx
    .selectFrom('clusters')
    .select((eb) => [
      'name',
      eb
        .selectFrom('cluster_history')
        .select('time')
        .whereRef('cluster_history.cluster', '=', 'clusters.name')
        .orderBy('id', 'desc')
        .limit(1)
        .as('time'),
    ])
    .where('name', 'in', names)
    .execute();
  return new Map(rows.map(({ name, time }) => [name, time]));
};

/** Records the end of the streams of clusters whose hub has died, at their last sign of life. */
export const endConnections = async (
  trx: Transaction<Schema>,
  clusters: readonly { readonly name: string; readonly last_seen: string | null }[],
): Promise<void> => {
  for (const some of slices(clusters)) {
    const times = await readNewestTimes(
      trx,
      some.map(({ name }) => name),
    );
    const endOf = ({ name, last_seen }: (typeof some)[number]): string =>
      [last_seen ?? '', times.get(name) ?? ''].sort(byText).at(-1) ?? '';
    await insertAll(
      trx,
      some.map((cluster) => makeRow(cluster.name, [{ time: endOf(cluster), connected: false }])),
    );
  }
};

/**
 * Yields the names of the clusters that have a history. Each is an index lookup, however long the
 * histories are.
 */
export async function* clusterNames(db: Kysely<Schema>): AsyncGenerator<string> {
  for (let last = ''; ; ) {
    const behind = db.selectFrom('cluster_history').where('cluster', '>', last);
    const { next } = await behind.select((eb) => eb.fn.min<string | null>('cluster').as('next')).executeTakeFirstOrThrow();
    if (next === null) return;
    yield next;
    last = next;
  }
}

const isWhole = async (db: Kysely<Schema>): Promise<boolean> => {
  const { value, history } = await db.selectFrom('ledger_version').select(['value', 'history']).executeTakeFirstOrThrow();
  return value === history;
};

/** Returns the time up to which the history is complete; undefined: there is no history. */
const readWholeUntil = async (db: Kysely<Schema>): Promise<string | undefined> => {
  const { history_time } = await db.selectFrom('ledger_version').select('history_time').executeTakeFirstOrThrow();
  if (history_time !== null) return history_time;
  // A restored database has no such time: its newest row is used.
  return (await db.selectFrom('cluster_history').select('time').orderBy('id', 'desc').limit(1).executeTakeFirst())?.time;
};

/** Clock and reader of stored clusters for closing gaps in the history. */
export interface MendOptions {
  readonly now: () => Date;
  /** Reads stored clusters. */
  readonly read: (trx: Transaction<Schema>, names: readonly string[]) => Promise<readonly ClusterRecord[]>;
}

/**
 * Closes gaps in the history, left by an older program without history or by a restored backup.
 * Records that the state during the gap is unknown, and then the current state. Works in small
 * transactions, because all hubs wait for each of them, and starts over after an interruption.
 */
export const mendHistory = async ({ db, shared }: Pick<Database, 'db' | 'shared'>, { now, read }: MendOptions): Promise<void> => {
  if (await isWhole(db)) return;
  const from = await readWholeUntil(db);
  const gap: HistoryChange[] = from === undefined ? [] : [{ time: from, nothing: true }];
  const inTurn = <T>(work: (trx: Transaction<Schema>) => Promise<T>): Promise<T> =>
    db.transaction().execute(async (trx) => {
      if (shared) await lockWrites(trx);
      return work(trx);
    });
  const write = async (trx: Transaction<Schema>, names: readonly string[]): Promise<void> => {
    const time = now().toISOString();
    const records = await read(trx, names);
    const changesOf = (record: ClusterRecord): HistoryChange[] => (isUnseen(record) ? gap : [...gap, fullChange(record, time)]);
    const rows = records.map((record) => makeRow(record.name, changesOf(record)));
    await insertAll(
      trx,
      rows.filter((row) => row.time !== ''),
    );
  };
  const { version, names } = await inTurn(async (trx) => {
    const rows = await trx.selectFrom('clusters').select('name').execute();
    return { version: await readVersion(trx), names: rows.map(({ name }) => name) };
  });
  for (let at = 0; at < names.length; at += CLUSTERS) await inTurn((trx) => write(trx, names.slice(at, at + CLUSTERS)));
  const known = new Set(names);
  for await (const name of clusterNames(db))
    if (gap.length > 0 && !known.has(name)) await inTurn((trx) => insertAll(trx, [makeRow(name, gap)]));
  await inTurn(async (trx) => {
    // Clusters that any hub wrote meanwhile.
    const changed = await trx.selectFrom('clusters').select('name').where('version', '>', version).execute();
    await write(
      trx,
      changed.map(({ name }) => name),
    );
    await trx
      .updateTable('ledger_version')
      .set((eb) => ({ history: eb.ref('value'), history_time: now().toISOString() }))
      .execute();
  });
};

/**
 * Number of rows read at a time. Most rows hold one fact; a row in which all named policies change
 * has 20 KB and more.
 */
const WINDOW = 200;

interface StoredRow {
  readonly id: number;
  /** Oldest first. */
  readonly changes: readonly HistoryChange[];
}

/** Reads rows of a cluster before a given row, newest first. */
const readWindow = async (db: Kysely<Schema>, cluster: string, before: number | undefined): Promise<StoredRow[]> => {
  let query = db.selectFrom('cluster_history').select(['id', 'changes_json']).where('cluster', '=', cluster);
  if (before !== undefined) query = query.where('id', '<', before);
  const rows = await query.orderBy('id', 'desc').limit(WINDOW).execute();
  return rows.map(({ id, changes_json }) => ({ id, changes: JSON.parse(changes_json) as HistoryChange[] }));
};

/** Database of the history, and a lookup for the policy lists that rows refer to. */
export interface HistoryReader {
  readonly db: Kysely<Schema>;
  readonly listOf: FindPolicyList;
}

interface Walk {
  readonly cluster: string;
  /** Id of the row to start before; undefined: start with the newest. */
  readonly before?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

async function* newestFirst(db: Kysely<Schema>, { cluster, before: from, signal }: Walk): AsyncGenerator<HistoryChange> {
  let before = from;
  for (;;) {
    signal?.throwIfAborted();
    const rows = await readWindow(db, cluster, before);
    for (const { changes } of rows) yield* changes.toReversed();
    if (rows.length < WINDOW) return;
    before = rows.at(-1)?.id;
    // Rows are processed on the main thread, so other work gets a turn.
    await setImmediate();
  }
}

async function* untilNow(db: Kysely<Schema>, walk: Walk): AsyncGenerator<HistoryChange> {
  // There is a gap that is not recorded yet.
  if (!(await isWhole(db))) yield { time: (await readWholeUntil(db)) ?? '', nothing: true };
  yield* newestFirst(db, walk);
}

/** Reads the state of a policy in a cluster at a time. */
export const readPolicyState = ({ db, listOf }: HistoryReader, { cluster, signal, ...query }: StateQuery): Promise<PolicyStateAt> =>
  findPolicyState(untilNow(db, { cluster, signal }), { ...query, listOf });

/**
 * Lists the recorded changes in the state of a cluster and one of its policies, newest first. May
 * exceed the limit, as changes stored in one row stay together.
 */
export const listHistory = async (
  { db, listOf }: HistoryReader,
  { cluster, policy, before, limit, signal }: HistoryQuery,
): Promise<FoundHistory> => {
  const step = async (from: number | undefined, wanted: number) => {
    const rows = await readWindow(db, cluster, from);
    if (rows.length === 0) return undefined;
    const read = rows.flatMap(({ id, changes }) => changes.toReversed().map((change) => ({ id, change })));
    const older = newestFirst(db, { cluster, before: rows.at(-1)?.id, signal });
    const changes = read.map(({ change }) => change);
    const narrowed = await narrowHistory(changes, { policy, listOf, older });
    const found = read.flatMap(({ id }, at) => (narrowed[at] === undefined ? [] : [{ id, change: narrowed[at] }]));
    // Id of the row with which the limit is reached.
    const last = found.at(wanted - 1)?.id ?? rows.at(-1)?.id ?? 0;
    return { items: found.filter(({ id }) => id >= last).map(({ change }) => change), last };
  };
  const { items, next } = await searchWindows({ from: before, limit, signal, step });
  return { changes: items, next };
};
