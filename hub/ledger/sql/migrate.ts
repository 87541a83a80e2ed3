import { type Migration, Migrator } from 'kysely/migration';
import { LedgerError } from '../ledger-error.ts';
import type { Database } from './database.ts';
import { ledgerTables } from './migrations/0001-ledger.ts';

/** In the order in which they run. */
const migrationsOf = (shared: boolean): Record<string, Migration> => ({
  '0001-ledger': ledgerTables(shared),
});

/**
 * Brings the tables to the version of this program. On a server the migrator holds an advisory lock meanwhile, so hubs may start together.
 *
 * @throws LedgerError when a newer version has been here; what the database answered otherwise
 */
export const migrate = async ({ db, shared }: Pick<Database, 'db' | 'shared'>): Promise<void> => {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => migrationsOf(shared) },
    migrationTableName: 'ledger_migrations',
    migrationLockTableName: 'ledger_migrations_lock',
  });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (error instanceof Error && error.message.startsWith('corrupted migrations'))
    throw new LedgerError('the database was written by a newer version of this program: run that one, or restore a backup of this one');
  throw error;
};
