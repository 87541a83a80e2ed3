import { existsSync } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '@fso/shared/runtime';
import { Kysely } from 'kysely';
import { LedgerError } from '../../types.ts';
import type { Database, DatabaseReader, Schema } from '../schema.ts';
import { type SqliteConnection, type SqliteThread, startSqlite } from './client.ts';
import { runAndCommit, runAsList, sqliteDialect, withoutParameters } from './dialect.ts';
import { SqliteError } from './error.ts';

const DATABASE_FILE = 'ledger.db';
const LOCK_FILE = 'ledger.lock';
/**
 * Time to wait for a lock, in milliseconds. A backup and a starting hub may both find a log to
 * recover, and one of them locks the database for that.
 */
const LOCK_MS = 5_000;

/**
 * Settings of the writer. Every commit waits until the log is on disk
 * (https://www.sqlite.org/pragma.html#pragma_synchronous); `fullfsync` does the same on macOS. A
 * log that a large write made long is truncated again.
 */
const WRITER_PRAGMAS = [
  'pragma journal_mode = wal',
  'pragma synchronous = full',
  'pragma fullfsync = on',
  'pragma checkpoint_fullfsync = on',
  'pragma journal_size_limit = 67108864',
];

const makeFolder = async (folder: string): Promise<void> => {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first !== undefined) await syncFolder(dirname(first));
  // Readable by its owner only. SQLite gives the files beside it the same mode.
  await (await open(join(folder, DATABASE_FILE), 'a', 0o600)).close();
};

/**
 * Refuses a folder with the database of an earlier version.
 *
 * @throws LedgerError whose message names the remedy
 */
const refuseFormer = (folder: string): void => {
  const former = join(folder, 'database');
  if (existsSync(join(former, 'PG_VERSION')))
    throw new LedgerError(
      `${former} holds the embedded PostgreSQL of an earlier version, which this one does not read: remove it to begin with an empty ledger, or go on with the version that wrote it`,
    );
};

const isOf = (error: unknown, ...codes: readonly string[]): boolean => error instanceof SqliteError && codes.includes(error.code);

/**
 * Locks the folder for one hub by an open transaction on a lock file. The operating system releases
 * the lock when the process ends for any reason. Readers are not blocked.
 *
 * @throws LedgerError if another hub uses the folder
 */
const lockFolder = async (thread: SqliteThread, folder: string): Promise<void> => {
  try {
    const lock = await thread.open({ path: join(folder, LOCK_FILE), readOnly: false, lockMs: 0, pragmas: [] });
    await lock.run([withoutParameters('begin exclusive')]);
  } catch (error) {
    if (!isOf(error, 'SQLITE_BUSY')) throw error;
    throw new LedgerError(
      `another hub has the ledger in ${folder} open: stop it, give this one another FSO_DATA_DIR, or let both use one PostgreSQL server (DATABASE_URL)`,
    );
  }
};

const FULL = 2;

/** @throws LedgerError if commits would not wait for the disk */
const checkDurability = async (connection: SqliteConnection): Promise<void> => {
  const pragmas = ['journal_mode', 'synchronous'].map((name) => withoutParameters(`pragma ${name}`));
  const [journal, synchronous] = (await connection.run(pragmas)).map(({ rows }) => Object.values(rows[0] ?? {})[0]);
  if (journal !== 'wal' || synchronous !== FULL)
    throw new LedgerError(`commits of the embedded ledger would not be durable (journal_mode ${journal}, synchronous ${synchronous})`);
};

const kyselyOn = (connection: SqliteConnection, begin: 'begin' | 'begin immediate'): Kysely<Schema> =>
  new Kysely<Schema>({ dialect: sqliteDialect(connection, begin) });

const snapshotOf = (thread: SqliteThread, path: string): DatabaseReader['snapshot'] => {
  return async (work) => {
    const db = kyselyOn(await thread.open({ path, readOnly: true, lockMs: LOCK_MS, pragmas: [] }), 'begin');
    try {
      return await db.transaction().execute(work);
    } finally {
      await db.destroy();
    }
  };
};

/**
 * Explains an error of SQLite.
 *
 * @throws LedgerError if the file is damaged; else the error itself
 */
const explain = (error: unknown, path: string): never => {
  if (!isOf(error, 'SQLITE_NOTADB', 'SQLITE_CORRUPT')) throw error;
  throw new LedgerError(`${path} is damaged: restore a backup into an empty folder`);
};

/**
 * Opens the ledger of a folder for reading, with or without a running hub.
 *
 * @throws LedgerError if there is none
 */
export const openEmbeddedReader = async (folder: string): Promise<DatabaseReader> => {
  const path = join(folder, DATABASE_FILE);
  refuseFormer(folder);
  if (!existsSync(path)) throw new LedgerError(`there is no ledger in ${folder}`);
  const thread = startSqlite();
  return { shared: false, name: folder, snapshot: snapshotOf(thread, path), close: thread.close };
};

/**
 * Renames the folder of a ledger, whatever its state.
 *
 * @throws LedgerError while a hub has it open
 */
export const moveEmbedded = async (folder: string, target: string): Promise<void> => {
  const thread = startSqlite();
  try {
    await lockFolder(thread, folder);
    await rename(folder, target);
  } finally {
    await thread.close();
  }
  await syncFolder(dirname(target));
};

/**
 * Opens SQLite in this process, for one hub. Readers see committed data while the writer has an
 * open transaction.
 *
 * @throws LedgerError if another hub uses the folder
 */
export const openEmbedded = async (folder: string): Promise<Database> => {
  refuseFormer(folder);
  await makeFolder(folder);
  const thread = startSqlite();
  const path = join(folder, DATABASE_FILE);
  const openReader = async (): Promise<Kysely<Schema>> =>
    kyselyOn(await thread.open({ path, readOnly: true, lockMs: LOCK_MS, pragmas: [] }), 'begin');
  try {
    await lockFolder(thread, folder);
    const writer = await thread.open({ path, readOnly: false, lockMs: LOCK_MS, pragmas: WRITER_PRAGMAS });
    await checkDurability(writer);
    const db = kyselyOn(writer, 'begin immediate');
    const reads = await openReader();
    return {
      db,
      reads,
      searches: reads,
      shared: false,
      name: folder,
      runAll: runAsList,
      runLast: runAndCommit,
      patiently: (work) => work(db),
      snapshot: snapshotOf(thread, path),
      connect: () => Promise.reject(new Error('the embedded database belongs to one hub')),
      // Statements end within milliseconds, so none has to be aborted.
      cut: () => undefined,
      close: thread.close,
    };
  } catch (error) {
    await thread.close();
    return explain(error, path);
  }
};
