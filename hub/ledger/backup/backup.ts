import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { access, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { syncFolder } from '@fso/shared/runtime';
import type { Kysely } from 'kysely';
import type { AuditKey } from '../audit/key.ts';
import type { DatabaseReader } from '../sql/database.ts';
import { readTables } from '../sql/migrate.ts';
import type { Schema } from '../sql/schema.ts';
import { LedgerError } from '../types.ts';
import { type End, FORMAT, type Manifest } from './format.ts';
import { readTable, TABLES } from './tables.ts';

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

export interface BackupFile {
  readonly path: string;
  /** Whether it may take the place of another one. */
  readonly replace?: boolean;
  /** Version of this program. */
  readonly version: string;
  /** Signs the backup, where it is the key of the newest checkpoint. */
  readonly key?: AuditKey | undefined;
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/**
 * Writes everything that the ledger holds, as of one moment, into a file: JSON Lines, packed with gzip. The file appears when it is whole,
 * and stays. The database is only read, whatever hubs do with it meanwhile; tables of an older version are written as they are.
 *
 * @throws LedgerError, or what the database or the file system answered
 */
export const backupLedger = async (
  { snapshot, shared }: DatabaseReader,
  { path, replace = false, version, key }: BackupFile,
): Promise<BackupSummary> => {
  if (!replace && (await isThere(path))) throw new LedgerError(`${path} is there already: name another file, or replace it with --force`);
  const partial = `${path}.${randomUUID()}.partial`;
  let summary: BackupSummary | undefined;
  try {
    await snapshot(async (db) => {
      const lines = dump({
        db,
        shared,
        program: version,
        key,
        done: (found) => {
          summary = found;
        },
      });
      await pipeline(Readable.from(lines), createGzip(), createWriteStream(partial, { mode: 0o600, flags: 'wx', flush: true }));
    });
    await rename(partial, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  if (summary === undefined) throw new Error('the backup ended before it was whole');
  return summary;
};
