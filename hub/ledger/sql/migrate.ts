import { type Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { LedgerError } from '../types.ts';
import type { Database } from './database.ts';
import { ledgerTables } from './migrations/0001-ledger.ts';
import { leader } from './migrations/0002-leader.ts';
import { reportedDigest } from './migrations/0003-reported-digest.ts';
import { policiesChanged } from './migrations/0004-policies-changed.ts';
import type { Schema } from './schema.ts';

/** In the order in which they run. */
const migrationsOf = (shared: boolean): Record<string, Migration> => ({
  '0001-ledger': ledgerTables(shared),
  '0002-leader': leader,
  '0003-reported-digest': reportedDigest,
  '0004-policies-changed': policiesChanged,
});

const TABLE = 'ledger_migrations';
const NEWER = 'the database was written by a newer version of this program: run that one, or restore a backup of this one';

/**
 * Brings the tables to the version of this program. On a server the migrator holds an advisory lock meanwhile, so hubs may start together.
 *
 * @throws LedgerError when a newer version has been here; what the database answered otherwise
 */
export const migrate = async ({ patiently, shared }: Pick<Database, 'patiently' | 'shared'>): Promise<void> => {
  const { error } = await patiently((db) =>
    new Migrator({
      db,
      provider: { getMigrations: async () => migrationsOf(shared) },
      migrationTableName: TABLE,
      migrationLockTableName: `${TABLE}_lock`,
    }).migrateToLatest(),
  );
  if (error === undefined) return;
  throw error instanceof Error && error.message.startsWith('corrupted migrations') ? new LedgerError(NEWER) : error;
};

const versionOf = (migration: string): number => Number.parseInt(migration, 10);

/** Number of the newest migration of this program. */
export const NEWEST_VERSION = Math.max(...Object.keys(migrationsOf(true)).map(versionOf));

export interface LedgerTables {
  readonly names: ReadonlySet<string>;
  /** Number of the newest migration that has run. */
  readonly version: number;
}

/**
 * Which tables there are, of this version or an older one. Changes nothing.
 *
 * @throws LedgerError when there are none, or a newer version has been here
 */
export const readTables = async (db: Kysely<Schema>, shared: boolean): Promise<LedgerTables> => {
  const names = new Set((await db.introspection.getTables({ withInternalKyselyTables: true })).map(({ name }) => name));
  if (!names.has(TABLE)) throw new LedgerError('the database holds no ledger');
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(TABLE)}`.execute(db);
  const known = migrationsOf(shared);
  if (rows.some(({ name }) => !(name in known))) throw new LedgerError(NEWER);
  return { names, version: Math.max(0, ...rows.map(({ name }) => versionOf(name))) };
};
