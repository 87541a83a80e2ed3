import { type Kysely, sql, type Transaction } from 'kysely';
import type { Schema } from './schema.ts';

/** Number of the advisory lock that writers take in turn, so that versions, events and audit entries grow in the order of the commits. */
const WRITE_LOCK = 0x46534f01;

/** Keeps all other hubs from writing until the transaction ends. Only on PostgreSQL. */
export const lockWrites = async (trx: Transaction<Schema>): Promise<void> => {
  await sql`select pg_advisory_xact_lock(${WRITE_LOCK})`.execute(trx);
};

/**
 * @param time RFC 3339; up to then the history of clusters is whole, unless another program has written that knows none
 * @returns the version of this commit; versions grow in the order of the commits
 */
export const nextVersion = async (trx: Transaction<Schema>, time: string): Promise<number> => {
  const { value } = await trx
    .updateTable('ledger_version')
    .set((eb) => ({
      value: eb('value', '+', 1),
      history: sql<number>`case when history = value then value + 1 else history end`,
      history_time: sql<string>`case when history = value then ${time} else history_time end`,
    }))
    .returning('value')
    .executeTakeFirstOrThrow();
  return value;
};

/** The version of the newest commit. */
export const readVersion = async (db: Kysely<Schema>): Promise<number> =>
  (await db.selectFrom('ledger_version').select('value').executeTakeFirstOrThrow()).value;
