import { fairShare } from '@fso/shared/runtime';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { Database } from '../database.ts';
import type { Schema } from '../schema.ts';
import { lockWrites, nextVersion } from '../write-lock.ts';
import { endConnections } from './cluster-history.ts';

/** Limits of the history: days and events. */
export interface HistoryLimits {
  readonly days: number;
  /**
   * Maximum number of events. Excess is taken from the oldest events of the clusters with the most
   * events.
   */
  readonly events: number;
}

/** Maximum number of rows deleted by one statement, so that writers never wait long. */
const ROWS = 5_000;
/**
 * Number of ids whose events one statement counts, so that counting a table of any size stays
 * within the statement timeout.
 */
const COUNTED = 50_000;
const DAY_MS = 86_400_000;

/**
 * Deletes hubs without a sign of life for a month. A hub that was cut off needs its row to find out
 * whether its last batch was committed, and would write it twice without.
 */
export const forgetReplicas = async (db: Kysely<Schema>, own: string): Promise<void> => {
  await db.deleteFrom('replicas').where('id', '!=', own).where(sql<boolean>`heartbeat < now() - interval '30 days'`).execute();
};

/** Number of days for which all checkpoints are kept. */
const CHECKPOINT_DAYS = 30;

/**
 * Deletes checkpoints older than 30 days, except the last of each hour and key. A checkpoint covers
 * all earlier entries, so every entry stays covered.
 */
export const clearCheckpoints = async (db: Kysely<Schema>, now: Date): Promise<void> => {
  const oldest = new Date(now.getTime() - CHECKPOINT_DAYS * DAY_MS).toISOString();
  const last = db
    .selectFrom('checkpoints')
    .select((eb) => eb.fn.max('sequence').as('sequence'))
    .where('time', '<', oldest)
    .groupBy(['key', sql`substr(time, 1, 13)`]);
  await db.deleteFrom('checkpoints').where('time', '<', oldest).where('sequence', 'not in', last).execute();
};

const writeRecord = async (
  trx: Transaction<Schema>,
  { value, ...key }: { readonly kind: string; readonly name: string; readonly value: unknown },
  now: Date,
): Promise<void> => {
  const row = { value_json: JSON.stringify(value), version: await nextVersion(trx, now.toISOString()) };
  await trx
    .insertInto('records')
    .values({ ...key, ...row })
    .onConflict((conflict) => conflict.columns(['kind', 'name']).doUpdateSet(row))
    .execute();
};

/** Key of the record with the version up to which {@link clearRecords} has cleared. */
export const CLEARING_KEY = { kind: 'ledger', name: 'cleared' };

/**
 * Deletes the tombstones of removed records, up to a version. A hub that has not read a tombstone
 * yet detects this by the record {@link CLEARING_KEY}, which has a newer version than all of them,
 * and reads all records again. So nothing that was revoked comes back, however long a hub was
 * disconnected.
 */
export const clearRecords = async ({ db, shared }: Pick<Database, 'db' | 'shared'>, upTo: number, now: Date): Promise<void> => {
  await db.transaction().execute(async (trx) => {
    if (shared) await lockWrites(trx);
    const removed = trx.selectFrom('records').where('value_json', 'is', null).where('version', '<=', upTo);
    const { newest } = await removed.select((eb) => eb.fn.max<number | null>('version').as('newest')).executeTakeFirstOrThrow();
    if (newest === null) return;
    await trx.deleteFrom('records').where('value_json', 'is', null).where('version', '<=', newest).execute();
    await writeRecord(trx, { ...CLEARING_KEY, value: newest }, now);
  });
};

/** Key of the record with the time that {@link advanceRetention} returned last. */
export const RETENTION = { kind: 'ledger', name: 'retention' };

/** Reads the time of the newest entry of the history, in milliseconds since 1970. */
const readNewest = async (db: Kysely<Schema>): Promise<number | undefined> => {
  const event = await db.selectFrom('events').select('received as time').orderBy('id', 'desc').limit(1).executeTakeFirst();
  const change = await db.selectFrom('cluster_history').select('time').orderBy('id', 'desc').limit(1).executeTakeFirst();
  const times = [event, change].flatMap((row) => (row === undefined ? [] : [Date.parse(row.time)]));
  return times.length === 0 ? undefined : Math.max(...times);
};

const readRetention = async (db: Kysely<Schema>): Promise<number | undefined> => {
  const { kind, name } = RETENTION;
  const row = await db.selectFrom('records').select('value_json').where('kind', '=', kind).where('name', '=', name).executeTakeFirst();
  return row?.value_json == null ? readNewest(db) : Date.parse(JSON.parse(row.value_json) as string);
};

/**
 * Advances the time from which the age of history is computed. It is the earliest of the local
 * clock, the clock of the database server, and one day after the previous value: a clock that is
 * wrong for an hour, as after a machine was resumed, costs a day of history instead of all. After a
 * month off, a hub catches up a day per run. The stored value never goes back: a clock that once
 * showed 1970 would take years to catch up.
 */
export const advanceRetention = ({ db, shared }: Pick<Database, 'db' | 'shared'>, now: Date): Promise<Date> =>
  db.transaction().execute(async (trx) => {
    if (shared) await lockWrites(trx);
    const before = await readRetention(trx);
    const server = shared ? (await sql<{ now: Date }>`select now()`.execute(trx)).rows[0]?.now : undefined;
    const known = [now.getTime(), server?.getTime() ?? Number.NaN, (before ?? Number.NaN) + DAY_MS];
    const time = new Date(Math.min(...known.filter((ms) => !Number.isNaN(ms))));
    const last = new Date(Math.max(before ?? 0, time.getTime()));
    await writeRecord(trx, { ...RETENTION, value: last }, now);
    return time;
  });

/** Deletes former hub processes and their connections, for a hub that is alone on its database. */
export const forgetFormer = async (db: Kysely<Schema>): Promise<void> => {
  await db.transaction().execute(async (trx) => {
    await trx.deleteFrom('replicas').execute();
    const ended = trx.updateTable('clusters').set({ connected_by: null }).where('connected_by', 'is not', null);
    await endConnections(trx, await ended.returning(['name', 'last_seen']).execute());
  });
};

/** Deletes rows in batches until none is left. @returns number of deleted rows */
const deleteAll = async (next: () => Promise<bigint>, signal: AbortSignal): Promise<number> => {
  let deleted = 0;
  while (!signal.aborted) {
    const count = await next();
    deleted += Number(count);
    if (count < ROWS) break;
  }
  return deleted;
};

/** Yields ranges that cover the ids of all events, each for one counting statement. */
async function* eachRange(db: Kysely<Schema>, atLeast: number, signal: AbortSignal): AsyncGenerator<{ from: number; to: number }> {
  const ids = db.selectFrom('events').select('id').limit(1);
  const first = await ids.orderBy('id').executeTakeFirst();
  const last = await ids.orderBy('id', 'desc').executeTakeFirst();
  if (first === undefined || last === undefined || last.id - first.id < atLeast) return;
  for (let from = first.id; from <= last.id && !signal.aborted; from += COUNTED) yield { from, to: from + COUNTED };
}

/** Counts events by cluster. @returns an empty map if there cannot be more than `events` */
const countByCluster = async (db: Kysely<Schema>, events: number, signal: AbortSignal): Promise<Map<string | null, number>> => {
  const counts = new Map<string | null, number>();
  for await (const { from, to } of eachRange(db, events, signal)) {
    const rows = await db
      .selectFrom('events')
      .select((eb) => ['cluster', eb.fn.countAll<number>().as('count')])
      .where('id', '>=', from)
      .where('id', '<', to)
      .groupBy('cluster')
      .execute();
    for (const { cluster, count } of rows) counts.set(cluster, (counts.get(cluster) ?? 0) + Number(count));
  }
  return counts;
};

/**
 * Deletes the oldest events of the clusters with more than their share, so that one cluster cannot
 * displace the events of others.
 */
const clearExcess = async (db: Kysely<Schema>, events: number, signal: AbortSignal): Promise<number> => {
  const counts = await countByCluster(db, events, signal);
  const share = Math.max(1, fairShare([...counts.values()], events));
  let cleared = 0;
  for (const [cluster, count] of counts) {
    let left = count - share;
    if (left <= 0) continue;
    const deleteSome = async (): Promise<bigint> => {
      const own = db
        .selectFrom('events')
        .select('id')
        .where('cluster', cluster === null ? 'is' : '=', cluster);
      const some = own.orderBy('id').limit(Math.min(ROWS, Math.max(0, left)));
      const { numDeletedRows } = await db.deleteFrom('events').where('id', 'in', some).executeTakeFirstOrThrow();
      left -= Number(numDeletedRows);
      return numDeletedRows;
    };
    cleared += await deleteAll(deleteSome, signal);
  }
  return cleared;
};

/** Returns the time before which history is not kept. */
export const oldestOf = ({ days }: Pick<HistoryLimits, 'days'>, now: Date): string => new Date(now.getTime() - days * DAY_MS).toISOString();

/**
 * Maximum share of the history that one run deletes because of its age. If that is a mistake, the
 * warning appears before all is gone.
 */
export const CLEARED_SHARE = 0.2;

/** Result of one run. */
export interface ClearingResult {
  readonly deleted: number;
  /** Number of events older than the limit that are left for later runs. */
  readonly left: number;
}

/** Counts all events, and those received before a time. */
const countOld = async (db: Kysely<Schema>, oldest: string, signal: AbortSignal): Promise<{ all: number; old: number }> => {
  const counted = { all: 0, old: 0 };
  for await (const { from, to } of eachRange(db, 0, signal)) {
    const row = await db
      .selectFrom('events')
      .select((eb) => [eb.fn.countAll<number>().as('count'), sql<number>`count(case when received < ${oldest} then 1 end)`.as('old')])
      .where('id', '>=', from)
      .where('id', '<', to)
      .executeTakeFirstOrThrow();
    counted.all += Number(row.count);
    counted.old += Number(row.old);
  }
  return counted;
};

/** Deletes events received before a time, oldest first, up to the share of one run. */
const clearOld = async (db: Kysely<Schema>, oldest: string, signal: AbortSignal): Promise<ClearingResult> => {
  const old = db.selectFrom('events').select('id').where('received', '<', oldest).orderBy('received');
  if ((await old.limit(1).execute()).length === 0) return { deleted: 0, left: 0 };
  const counted = await countOld(db, oldest, signal);
  let room = Math.ceil(counted.all * CLEARED_SHARE);
  const deleteSome = async (): Promise<bigint> => {
    const { numDeletedRows } = await db
      .deleteFrom('events')
      .where('id', 'in', old.limit(Math.min(ROWS, room)))
      .executeTakeFirstOrThrow();
    room -= Number(numDeletedRows);
    return numDeletedRows;
  };
  const deleted = await deleteAll(deleteSome, signal);
  return { deleted, left: Math.max(0, counted.old - deleted) };
};

/**
 * Deletes events beyond the limits of age and number. The audit log is never cleared.
 *
 * @param now see {@link advanceRetention}
 */
export const clearHistory = async (db: Kysely<Schema>, limits: HistoryLimits, now: Date, signal: AbortSignal): Promise<ClearingResult> => {
  const { deleted, left } = await clearOld(db, oldestOf(limits, now), signal);
  return { deleted: deleted + (await clearExcess(db, limits.events, signal)), left };
};
