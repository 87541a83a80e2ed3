import { type Kysely, sql } from 'kysely';
import { fairShare } from '../fair-share.ts';
import { endConnections } from './cluster-history.ts';
import type { Database } from './database.ts';
import type { Schema } from './schema.ts';
import { lockWrites, nextVersion } from './write-lock.ts';

export interface HistoryLimits {
  readonly days: number;
  /** Events kept; of the clusters with the most of them the oldest go first. */
  readonly events: number;
}

/** Rows of one statement, so that writers never wait long. */
const ROWS = 5_000;
/** Ids that one statement counts the events of: a table of any size is counted within the time that a statement may take. */
const COUNTED = 50_000;
const DAY_MS = 86_400_000;

/**
 * Forgets hubs that gave no sign of life for a month. Not sooner: one that was cut off that long asks its row whether its last batch was
 * committed, and would write it again without one.
 */
export const forgetReplicas = async (db: Kysely<Schema>, own: string): Promise<void> => {
  await db.deleteFrom('replicas').where('id', '!=', own).where(sql<boolean>`heartbeat < now() - interval '30 days'`).execute();
};

/** Checkpoints of the last days that are all kept. */
const CHECKPOINT_DAYS = 30;

/**
 * Of older checkpoints keeps the last one of each hour and key: each vouches for all entries before it, so no entry goes without one.
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

/** The record that says up to which version {@link clearRecords} has cleared. */
export const CLEARED = { kind: 'ledger', name: 'cleared' };

/**
 * Clears what removed records have left, up to a version. A hub that had not read it yet finds by the record {@link CLEARED}, whose own
 * version is newer than all, that it must read all records again: so nothing that was revoked comes back, however long the hub was away.
 */
export const clearRecords = async ({ db, shared }: Pick<Database, 'db' | 'shared'>, upTo: number, now: Date): Promise<void> => {
  await db.transaction().execute(async (trx) => {
    if (shared) await lockWrites(trx);
    const removed = trx.selectFrom('records').where('value_json', 'is', null).where('version', '<=', upTo);
    const { newest } = await removed.select((eb) => eb.fn.max<number | null>('version').as('newest')).executeTakeFirstOrThrow();
    if (newest === null) return;
    await trx.deleteFrom('records').where('value_json', 'is', null).where('version', '<=', newest).execute();
    const row = { value_json: JSON.stringify(newest), version: await nextVersion(trx, now.toISOString()) };
    await trx
      .insertInto('records')
      .values({ ...CLEARED, ...row })
      .onConflict((conflict) => conflict.columns(['kind', 'name']).doUpdateSet(row))
      .execute();
  });
};

/** Forgets the hubs before this one, and their connections, where one hub is alone on its database. */
export const forgetFormer = async (db: Kysely<Schema>): Promise<void> => {
  await db.transaction().execute(async (trx) => {
    await trx.deleteFrom('replicas').execute();
    const ended = trx.updateTable('clusters').set({ connected_by: null }).where('connected_by', 'is not', null);
    await endConnections(trx, await ended.returning(['name', 'last_seen']).execute());
  });
};

/** Deletes some at a time until none is left. @returns how many went */
const deleteAll = async (next: () => Promise<bigint>, signal: AbortSignal): Promise<number> => {
  let deleted = 0;
  while (!signal.aborted) {
    const count = await next();
    deleted += Number(count);
    if (count < ROWS) break;
  }
  return deleted;
};

/** The first and the last id. @returns undefined: there are no events */
const readIds = async (db: Kysely<Schema>): Promise<{ readonly first: number; readonly last: number } | undefined> => {
  const ids = db.selectFrom('events').select('id').limit(1);
  const first = await ids.orderBy('id').executeTakeFirst();
  const last = await ids.orderBy('id', 'desc').executeTakeFirst();
  return first === undefined || last === undefined ? undefined : { first: first.id, last: last.id };
};

/** @returns nothing where there cannot be more than `events` */
const countByCluster = async (db: Kysely<Schema>, events: number, signal: AbortSignal): Promise<Map<string | null, number>> => {
  const counts = new Map<string | null, number>();
  const ids = await readIds(db);
  if (ids === undefined || ids.last - ids.first < events) return counts;
  for (let from = ids.first; from <= ids.last && !signal.aborted; from += COUNTED) {
    const rows = await db
      .selectFrom('events')
      .select((eb) => ['cluster', eb.fn.countAll<number>().as('count')])
      .where('id', '>=', from)
      .where('id', '<', from + COUNTED)
      .groupBy('cluster')
      .execute();
    for (const { cluster, count } of rows) counts.set(cluster, (counts.get(cluster) ?? 0) + Number(count));
  }
  return counts;
};

/** Deletes the oldest of the clusters that have more than their share: one cluster must not wash out what the others have said. */
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

/** What is older than this is not kept. */
export const oldestOf = ({ days }: HistoryLimits, now: Date): string => new Date(now.getTime() - days * DAY_MS).toISOString();

/** Deletes events that are older, or more, than are kept. The audit log is never cleared. @returns how many went */
export const clearHistory = async (db: Kysely<Schema>, limits: HistoryLimits, now: Date, signal: AbortSignal): Promise<number> => {
  const old = sql<boolean>`received < ${oldestOf(limits, now)}`;
  const deleteOld = async (): Promise<bigint> => {
    const some = db.selectFrom('events').select('id').where(old).orderBy('received').limit(ROWS);
    return (await db.deleteFrom('events').where('id', 'in', some).executeTakeFirstOrThrow()).numDeletedRows;
  };
  const cleared = await deleteAll(deleteOld, signal);
  return cleared + (await clearExcess(db, limits.events, signal));
};
