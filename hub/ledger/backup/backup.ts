import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { access, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { syncFolder } from '@fso/shared/runtime';
import type { Kysely } from 'kysely';
import type { AuditKey } from '../audit/key.ts';
import { type DatabaseConfig, type DatabaseReader, openReader } from '../sql/database.ts';
import { readTables } from '../sql/migrate.ts';
import type { Schema } from '../sql/schema.ts';
import { LedgerError } from '../types.ts';
import { type End, FORMAT, type Manifest } from './format.ts';
import { readTable, TABLES } from './tables.ts';

/** Summary of a written backup. */
export interface BackupSummary {
  /** Number of rows by table. */
  readonly rows: Readonly<Record<string, number>>;
  readonly digest: string;
  readonly isSigned: boolean;
}

interface Dump {
  readonly db: Kysely<Schema>;
  readonly shared: boolean;
  /** Version of the program that writes the backup. */
  readonly program: string;
  readonly key: AuditKey | undefined;
  readonly done: (summary: BackupSummary) => void;
}

async function* dump({ db, shared, program, key, done }: Dump): AsyncGenerator<string> {
  const hash = createHash('sha256');
  const rows: Record<string, number> = {};
  const line = (value: unknown): string => {
    const text = `${JSON.stringify(value)}\n`;
    hash.update(text);
    return text;
  };
  const { names, version } = await readTables(db, shared);
  const manifest: Manifest = { format: FORMAT, version, program, created: new Date().toISOString() };
  yield line(manifest);
  let newestKey: unknown;
  for (const table of TABLES.filter(({ name }) => names.has(name))) {
    rows[table.name] = 0;
    for await (const row of readTable(db, table)) {
      rows[table.name] = (rows[table.name] ?? 0) + 1;
      // Checkpoints are read in the order of their sequence numbers.
      if (table.name === 'checkpoints') newestKey = row['key'];
      yield line({ table: table.name, row });
    }
  }
  const digest = hash.digest('hex');
  const isSigned = key !== undefined && newestKey === key.id;
  done({ rows, digest, isSigned });
  const end: End = { rows, sha256: digest, ...(isSigned && { signature: key.signBackup(digest) }) };
  yield `${JSON.stringify(end)}\n`;
}

/** Program version in a backup, and the key that signs it. */
export interface BackupAuthor {
  /** Version of this program. */
  readonly version: string;
  /** Audit key. Signs the backup only if it also signed the newest checkpoint. */
  readonly key?: AuditKey | undefined;
}

/** File to write a backup to. */
export interface BackupFile {
  readonly path: string;
  /** Whether an existing file may be replaced. */
  readonly replace?: boolean | undefined;
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/**
 * Writes the whole ledger in one consistent snapshot, as JSON Lines compressed with gzip. The
 * database is only read; hubs may write meanwhile. Tables of an older version are written
 * unchanged.
 *
 * @throws LedgerError, or the error of the database or the target
 */
export const writeBackup = async (
  { snapshot, shared }: DatabaseReader,
  { version, key }: BackupAuthor,
  target: Writable,
): Promise<BackupSummary> => {
  let summary: BackupSummary | undefined;
  const done = (found: BackupSummary): void => {
    summary = found;
  };
  await snapshot((db) => pipeline(Readable.from(dump({ db, shared, program: version, key, done })), createGzip(), target));
  if (summary === undefined) throw new Error('the backup ended before it was whole');
  return summary;
};

/**
 * Writes a backup to a new file. The file appears once it is complete and durable.
 *
 * @throws LedgerError if the file exists; the error of the write
 */
export const keepBackup = async <T>(
  { path, replace = false }: BackupFile,
  write: (target: Writable, partial: string) => Promise<T>,
): Promise<T> => {
  if (!replace && (await isThere(path))) throw new LedgerError(`${path} is there already: name another file, or replace it with --force`);
  const partial = `${path}.${randomUUID()}.partial`;
  try {
    const written = await write(createWriteStream(partial, { mode: 0o600, flags: 'wx', flush: true }), partial);
    await rename(partial, path);
    await syncFolder(dirname(path));
    return written;
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
};

/** Backs up a ledger to a new file. @throws as {@link keepBackup} and {@link writeBackup} */
export const backupLedger = (reader: DatabaseReader, { path, replace, ...author }: BackupFile & BackupAuthor): Promise<BackupSummary> =>
  keepBackup({ path, replace }, (target) => writeBackup(reader, author, target));

/** Writes a backup of a database while hubs use it. */
export const backUp = async (database: DatabaseConfig, author: BackupAuthor, target: Writable): Promise<BackupSummary> => {
  const reader = await openReader(database);
  try {
    return await writeBackup(reader, author, target);
  } finally {
    await reader.close();
  }
};
