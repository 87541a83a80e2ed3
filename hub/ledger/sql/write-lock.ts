import { type CompiledQuery, type Kysely, sql, type Transaction } from 'kysely';
import type { Schema } from './schema.ts';

/**
 * Number of the advisory lock that writers take in turn, so that versions, events and audit entries
 * grow in the order of the commits.
 */
const WRITE_LOCK = 0x46534f01;

/** Keeps all other hubs from writing until the transaction ends. Only on PostgreSQL. */
export const lockWrites = async (trx: Transaction<Schema>): Promise<void> => {
  await sql`select pg_advisory_xact_lock(${WRITE_LOCK})`.execute(trx);
};

/**
 * The query that makes the version of this commit; versions grow in the order of the commits.
 *
 * @param time RFC 3339; up to then the history of clusters is whole, unless another program has
 * written that knows none
 */
export const versionQuery = (trx: Transaction<Schema>, time: string): CompiledQuery<{ readonly value: number }> =>
  sql<{ readonly value: number }>`
    update ledger_version set
      value = value + 1,
      history = case when history = value then value + 1 else history end,
      history_time = case when history = value then ${time} else history_time end
    returning value`.compile(trx);

/**
 * The version in the rows of {@link versionQuery}. @throws Error where the ledger has none: nothing
 * may be written then
 */
export const versionIn = ([row]: readonly { readonly value: number }[]): number => {
  if (row === undefined) throw new Error('the ledger has no version');
  return row.value;
};

/** Makes the version of this commit. @param time as {@link versionQuery} */
export const nextVersion = async (trx: Transaction<Schema>, time: string): Promise<number> =>
  versionIn((await trx.executeQuery(versionQuery(trx, time))).rows);

/** Number of the newest batch of a hub that the database has; 0: none. */
export const readBatch = async (db: Kysely<Schema>, replica: string): Promise<number> =>
  (await db.selectFrom('replicas').select('batch').where('id', '=', replica).executeTakeFirst())?.batch ?? 0;

/**
 * The version of the newest commit at a server that takes writes: a standby, which a pooler may ask
 * for what is only read, can be behind. Only on PostgreSQL.
 */
export const readWrittenVersion = async (db: Kysely<Schema>): Promise<number> =>
  (await db.selectFrom('ledger_version').select('value').forUpdate().executeTakeFirstOrThrow()).value;

/** The version of the newest commit. */
export const readVersion = async (db: Kysely<Schema>): Promise<number> =>
  (await db.selectFrom('ledger_version').select('value').executeTakeFirstOrThrow()).value;
