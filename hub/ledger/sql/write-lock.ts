import { type CompiledQuery, type Kysely, sql, type Transaction } from 'kysely';
import type { Schema } from './schema.ts';

/**
 * Number of the advisory lock that writers acquire, so that versions, events and audit entries
 * increase in the order of the commits.
 */
const WRITE_LOCK = 0x46534f01;

/** Blocks writes of all other hubs until the transaction ends. Only on PostgreSQL. */
export const lockWrites = async (trx: Transaction<Schema>): Promise<void> => {
  await sql`select pg_advisory_xact_lock(${WRITE_LOCK})`.execute(trx);
};

/**
 * Returns the query that assigns the version of this commit.
 *
 * @param time RFC 3339; the history of clusters is complete up to it, unless an older program wrote
 * in between
 */
export const versionQuery = (trx: Transaction<Schema>, time: string): CompiledQuery<{ readonly value: number }> =>
  sql<{ readonly value: number }>`
    update ledger_version set
      value = value + 1,
      history = case when history = value then value + 1 else history end,
      history_time = case when history = value then ${time} else history_time end
    returning value`.compile(trx);

/**
 * Returns the version from the rows of {@link versionQuery}.
 *
 * @throws Error if the ledger has none: nothing may be written then
 */
export const versionIn = ([row]: readonly { readonly value: number }[]): number => {
  if (row === undefined) throw new Error('the ledger has no version');
  return row.value;
};

/** Assigns the version of this commit. @param time as {@link versionQuery} */
export const nextVersion = async (trx: Transaction<Schema>, time: string): Promise<number> =>
  versionIn((await trx.executeQuery(versionQuery(trx, time))).rows);

/** Reads the number of a hub's newest batch in the database; 0: none. */
export const readBatch = async (db: Kysely<Schema>, replica: string): Promise<number> =>
  (await db.selectFrom('replicas').select('batch').where('id', '=', replica).executeTakeFirst())?.batch ?? 0;

/**
 * Reads the version of the newest commit from the primary. A pooler may route plain reads to a
 * standby that is behind. Only on PostgreSQL.
 */
export const readWrittenVersion = async (db: Kysely<Schema>): Promise<number> =>
  (await db.selectFrom('ledger_version').select('value').forUpdate().executeTakeFirstOrThrow()).value;

/** Reads the version of the newest commit. */
export const readVersion = async (db: Kysely<Schema>): Promise<number> =>
  (await db.selectFrom('ledger_version').select('value').executeTakeFirstOrThrow()).value;
