import { type Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { LedgerError } from '../types.ts';
import type { Database } from './database.ts';
import { ledgerTables } from './migrations/0001-ledger.ts';
import { leader } from './migrations/0002-leader.ts';
import { reportedDigest } from './migrations/0003-reported-digest.ts';
import { policiesChanged } from './migrations/0004-policies-changed.ts';
import { clusterHistory } from './migrations/0005-cluster-history.ts';
import { observation } from './migrations/0006-observation.ts';
import { kept } from './migrations/0007-kept.ts';
import { policyLists } from './migrations/0008-policy-lists.ts';
import { offeredAt } from './migrations/0009-add-offered-at.ts';
import { revisionFacts } from './migrations/0010-revision-facts.ts';
import type { Schema } from './schema.ts';

/**
 * Migrations in the order in which they run. A migration with `add` in its name leaves existing
 * tables and rows unchanged, so that an older version works after a rollback without knowing it.
 */
const migrationsOf = (shared: boolean): Record<string, Migration> => ({
  '0001-ledger': ledgerTables(shared),
  '0002-leader': leader,
  '0003-reported-digest': reportedDigest,
  '0004-policies-changed': policiesChanged,
  '0005-add-cluster-history': clusterHistory(shared),
  '0006-add-observation': observation,
  '0007-add-kept': kept,
  '0008-policy-lists': policyLists,
  '0009-add-offered-at': offeredAt,
  '0010-revision-facts': revisionFacts,
});

const TABLE = 'ledger_migrations';
const NEWER = 'the database was written by a newer version of this program: run that one, or restore a backup of this one';

const isAddition = (name: string): boolean => /^\d{4}-add-/.test(name);
const NOTHING: Migration = { up: async () => undefined };

/** Reads the names of the migrations that have run; none if there is no ledger yet. */
const readMigrations = async (db: Kysely<Schema>): Promise<string[]> => {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === TABLE)) return [];
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(TABLE)} order by name`.execute(db);
  return rows.map(({ name }) => name);
};

/**
 * Returns empty migrations for additions that have run, so that additions of a newer version are
 * accepted.
 */
const additionsOf = (ran: readonly string[]): Record<string, Migration> =>
  Object.fromEntries(ran.filter(isAddition).map((name) => [name, NOTHING]));

/**
 * Migrates the tables to the version of this program. On PostgreSQL an advisory lock is held, so
 * several hubs may start together.
 *
 * @throws LedgerError if a newer version changed existing tables; the error of the database
 */
export const migrate = async ({ patiently, shared }: Pick<Database, 'patiently' | 'shared'>): Promise<void> => {
  const { error } = await patiently(async (db) => {
    const migrations = { ...additionsOf(await readMigrations(db)), ...migrationsOf(shared) };
    return new Migrator({
      db,
      provider: { getMigrations: async () => migrations },
      migrationTableName: TABLE,
      migrationLockTableName: `${TABLE}_lock`,
    }).migrateToLatest();
  });
  if (error === undefined) return;
  throw error instanceof Error && error.message.startsWith('corrupted migrations') ? new LedgerError(NEWER) : error;
};

const versionOf = (migration: string): number => Number.parseInt(migration, 10);

/** Number of the newest migration of this program. */
export const NEWEST_VERSION = Math.max(...Object.keys(migrationsOf(true)).map(versionOf));

/** Tables of a ledger and their version. */
export interface LedgerTables {
  readonly names: ReadonlySet<string>;
  /** Number of the newest known migration that has run. */
  readonly version: number;
}

/**
 * Reads the names and the version of the tables, also those of an older version. Changes nothing.
 *
 * @throws LedgerError if there are no tables, or a newer version changed them
 */
export const readTables = async (db: Kysely<Schema>, shared: boolean): Promise<LedgerTables> => {
  const names = new Set((await db.introspection.getTables({ withInternalKyselyTables: true })).map(({ name }) => name));
  if (!names.has(TABLE)) throw new LedgerError('the database holds no ledger');
  const ran = await readMigrations(db);
  const known = migrationsOf(shared);
  if (ran.some((name) => !(name in known) && !isAddition(name))) throw new LedgerError(NEWER);
  return { names, version: Math.max(0, ...ran.filter((name) => name in known).map(versionOf)) };
};
