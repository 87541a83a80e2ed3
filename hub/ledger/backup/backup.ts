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

/** Content of a written backup, in numbers. */
export interface BackupSummary {
  /** Rows by table. */
  readonly rows: Readonly<Record<string, number>>;
  readonly digest: string;
  readonly isSigned: boolean;
}

interface Dump {
  readonly db: Kysely<Schema>;
  readonly shared: boolean;
  /** Version of the program. */
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
      // In the order of their numbers.
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

/** Program and key that a backup names and is signed by. */
export interface BackupAuthor {
  /** Version of this program. */
  readonly version: string;
  /** Signs the backup, where it is the key of the newest checkpoint. */
  readonly key?: AuditKey | undefined;
}

/** File to write a backup to. */
export interface BackupFile {
  readonly path: string;
  /** Whether it may take the place of another one. */
  readonly replace?: boolean | undefined;
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/**
 * Writes everything that the ledger holds, as of one moment: JSON Lines, packed with gzip. The
 * database is only read, whatever hubs do with it meanwhile; tables of an older version are written
 * as they are.
 *
 * @throws LedgerError, or what the database or the target answered
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
 * Lets a backup be written into a new file, which appears when it is whole, and stays.
 *
 * @throws LedgerError where the file is there already; the error of the writing
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

/** Backs a ledger up into a new file. @throws as {@link keepBackup} and {@link writeBackup} */
export const backupLedger = (reader: DatabaseReader, { path, replace, ...author }: BackupFile & BackupAuthor): Promise<BackupSummary> =>
  keepBackup({ path, replace }, (target) => writeBackup(reader, author, target));

/** Writes a backup of a database, beside the hubs that use it. */
export const backUp = async (database: DatabaseConfig, author: BackupAuthor, target: Writable): Promise<BackupSummary> => {
  const reader = await openReader(database);
  try {
    return await writeBackup(reader, author, target);
  } finally {
    await reader.close();
  }
};
