import { sql, type Transaction } from 'kysely';
import type { Schema } from './schema.ts';

/** Number of the advisory lock that writers take in turn, so that versions, events and audit entries grow in the order of the commits. */
const WRITE_LOCK = 0x46534f01;

/** Keeps all other hubs from writing until the transaction ends. Only on PostgreSQL. */
export const lockWrites = async (trx: Transaction<Schema>): Promise<void> => {
  await sql`select pg_advisory_xact_lock(${WRITE_LOCK})`.execute(trx);
};

/** @returns the version of this commit, which keeps the history of clusters whole; versions grow in the order of the commits */
export const nextVersion = async (trx: Transaction<Schema>): Promise<number> => {
  const { value } = await trx
    .updateTable('ledger_version')
    .set((eb) => ({
      value: eb('value', '+', 1),
      history: sql<number>`case when history = value then value + 1 else history end`,
    }))
    .returning('value')
    .executeTakeFirstOrThrow();
  return value;
};
