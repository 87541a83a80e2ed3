import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Kysely } from 'kysely';
import type { Database } from '../sql/database.ts';
import { migrate } from '../sql/migrate.ts';
import type { Schema } from '../sql/schema.ts';
import { type End, FORMAT, FORMAT_VERSION, type Manifest } from './format.ts';
import { readTable, TABLES } from './tables.ts';

export interface BackupSummary {
  /** Rows by table. */
  readonly rows: Readonly<Record<string, number>>;
  readonly digest: string;
}

async function* dump(db: Kysely<Schema>, manifest: Manifest, done: (summary: BackupSummary) => void): AsyncGenerator<string> {
  const hash = createHash('sha256');
  const rows: Record<string, number> = {};
  const line = (value: unknown): string => {
    const text = `${JSON.stringify(value)}\n`;
    hash.update(text);
    return text;
  };
  yield line(manifest);
  for (const table of TABLES) {
    rows[table.name] = 0;
    for await (const row of readTable(db, table)) {
      rows[table.name] = (rows[table.name] ?? 0) + 1;
      yield line({ table: table.name, row });
    }
  }
  const end: End = { rows, sha256: hash.digest('hex') };
  done({ rows, digest: end.sha256 });
  yield `${JSON.stringify(end)}\n`;
}

/**
 * Writes everything that the ledger holds, as of one moment, into a file: JSON Lines, packed with gzip. The file appears when it is whole.
 *
 * @throws LedgerError, or what the database or the file system answered
 */
export const backupLedger = async (database: Database, file: string, version: string): Promise<BackupSummary> => {
  await migrate(database);
  const { db } = database;
  const manifest: Manifest = { format: FORMAT, version: FORMAT_VERSION, program: version, created: new Date().toISOString() };
  const partial = `${file}.${randomUUID()}.partial`;
  let summary: BackupSummary | undefined;
  try {
    await db
      .transaction()
      .setIsolationLevel('repeatable read')
      .execute(async (trx) => {
        const lines = dump(trx, manifest, (found) => {
          summary = found;
        });
        await pipeline(Readable.from(lines), createGzip(), createWriteStream(partial, { mode: 0o600, flags: 'wx', flush: true }));
      });
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  if (summary === undefined) throw new Error('the backup ended before it was whole');
  return summary;
};
