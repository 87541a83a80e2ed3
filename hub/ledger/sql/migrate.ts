import type { Kysely } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { LedgerError } from '../ledger-error.ts';
import { ledgerTables } from './migrations/0001-ledger.ts';
import { auditTime } from './migrations/0002-audit-time.ts';
import { eventSearch } from './migrations/0003-event-search.ts';
import { streams } from './migrations/0004-streams.ts';
import type { Schema } from './schema.ts';

/** In the order in which they run. */
const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-ledger': ledgerTables,
  '0002-audit-time': auditTime,
  '0003-event-search': eventSearch,
  '0004-streams': streams,
};

/**
 * Brings the tables to the version of this program. The migrator holds an advisory lock meanwhile, so hubs may start together.
 *
 * @throws LedgerError when a newer version has been here; what the database answered otherwise
 */
export const migrate = async (db: Kysely<Schema>): Promise<void> => {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => ({ ...MIGRATIONS }) },
    migrationTableName: 'ledger_migrations',
    migrationLockTableName: 'ledger_migrations_lock',
  });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (error instanceof Error && error.message.startsWith('corrupted migrations'))
    throw new LedgerError('the database was written by a newer version of this program: run that one, or restore a backup of this one');
  throw error;
};
