import { fairShare } from '@fso/shared/runtime';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { Database } from '../database.ts';
import type { Schema } from '../schema.ts';
import { lockWrites, nextVersion } from '../write-lock.ts';
import { endConnections } from './cluster-history.ts';

/** Days and events that are kept. */
export interface HistoryLimits {
  readonly days: number;
  /** Events kept; of the clusters with the most of them the oldest go first. */
  readonly events: number;
}

/** Rows of one statement, so that writers never wait long. */
const ROWS = 5_000;
/**
 * Number of ids whose events one statement counts, so that counting a table of any size stays
 * within the statement timeout.
 */
const COUNTED = 50_000;
const DAY_MS = 86_400_000;

/**
 * Forgets hubs that gave no sign of life for a month. Not sooner: one that was cut off that long
 * asks its row whether its last batch was committed, and would write it again without one.
 */
export const forgetReplicas = async (db: Kysely<Schema>, own: string): Promise<void> => {
  await db.deleteFrom('replicas').where('id', '!=', own).where(sql<boolean>`heartbeat < now() - interval '30 days'`).execute();
};

/** Checkpoints of the last days that are all kept. */
const CHECKPOINT_DAYS = 30;

/**
 * Deletes checkpoints older than 30 days, except the last of each hour and key. A checkpoint covers
 * all entries before it, so every entry stays covered.
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

/** Key of the record that holds the version up to which {@link clearRecords} has cleared. */
export const CLEARING_KEY = { kind: 'ledger', name: 'cleared' };

/**
 * Clears what removed records have left, up to a version. A hub that had not read it yet finds by
 * the record {@link CLEARING_KEY}, whose own version is newer than all, that it must read all
 * records again: so nothing that was revoked comes back, however long the hub was away.
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

/** The record of the time that {@link advanceRetention} gave last. */
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
 * The time by which the age of the history is judged, moved on. It is that of the clock, and of a
 * server also that of its own, but at most a day after the one before: a clock that is wrong for an
 * hour, as after a machine was resumed, takes a day of the history instead of all. A hub that was
 * off for a month catches up a day at a time. What is kept as the one before never goes back: after
 * one look at a clock of 1970 it would take years to catch up.
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

/**
 * Forgets the hubs before this one, and their connections, where one hub is alone on its database.
 */
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

/** The ids of all events, some at a time: each statement counts so many. */
async function* eachRange(db: Kysely<Schema>, atLeast: number, signal: AbortSignal): AsyncGenerator<{ from: number; to: number }> {
  const ids = db.selectFrom('events').select('id').limit(1);
  const first = await ids.orderBy('id').executeTakeFirst();
  const last = await ids.orderBy('id', 'desc').executeTakeFirst();
  if (first === undefined || last === undefined || last.id - first.id < atLeast) return;
  for (let from = first.id; from <= last.id && !signal.aborted; from += COUNTED) yield { from, to: from + COUNTED };
}

/** @returns nothing where there cannot be more than `events` */
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
 * Deletes the oldest of the clusters that have more than their share: one cluster must not wash out
 * what the others have said.
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
 * Share of the history that one clearing deletes for its age: should that be a mistake, people read
 * the warning before all is gone.
 */
export const CLEARED_SHARE = 0.2;

/** Result of a clearing. */
export interface ClearingResult {
  readonly deleted: number;
  /** Older than is kept, and left to the next clearings. */
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

/** Deletes what was received before a time, the oldest first, as much of it as one clearing may. */
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
 * Deletes events that are older, or more, than are kept. The audit log is never cleared. @param now
 * see {@link advanceRetention}
 */
export const clearHistory = async (db: Kysely<Schema>, limits: HistoryLimits, now: Date, signal: AbortSignal): Promise<ClearingResult> => {
  const { deleted, left } = await clearOld(db, oldestOf(limits, now), signal);
  return { deleted: deleted + (await clearExcess(db, limits.events, signal)), left };
};
