import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import type { Environment } from '@fso/shared/runtime';
import { loadDatabaseConfig } from '../../config/config.ts';
import { backupLedger } from '../../ledger/backup/backup.ts';
import { restoreLedger } from '../../ledger/backup/restore.ts';
import { LedgerError } from '../../ledger/ledger-error.ts';
import { type DatabaseConfig, type DatabaseReader, openDatabase, openReader } from '../../ledger/sql/database.ts';
import { describeDatabaseError } from '../../ledger/sql/errors.ts';
import manifest from '../../package.json' with { type: 'json' };
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';
import { plain } from '../render/text.ts';

type Open<D> = (config: DatabaseConfig) => Promise<D>;

/** Works on what the hub would open. */
const withDatabase = async <D extends DatabaseReader, T>(env: Environment, open: Open<D>, use: (database: D) => Promise<T>): Promise<T> => {
  try {
    const database = await open(await loadDatabaseConfig(env));
    try {
      return await use(database);
    } finally {
      await database.close();
    }
  } catch (error) {
    throw new CliError(error instanceof LedgerError ? error.message : describeDatabaseError(error));
  }
};

const countOf = (rows: Readonly<Record<string, number>>): string => {
  const { clusters = 0, events = 0, audit = 0 } = rows;
  return `${clusters} clusters, ${events} events, ${audit} audit entries`;
};

/** `fso backup` */
export const backup = async (context: Context, env: Environment, { file, force }: { file: string; force: boolean }): Promise<void> => {
  const { rows, digest } = await withDatabase(env, openReader, (database) =>
    backupLedger(database, { path: resolve(file), replace: force, version: manifest.version }),
  );
  context.out(`${file}: ${countOf(rows)}\nsha256 ${digest}\n`);
};

/** `fso restore` */
export const restore = async (context: Context, file: string, env: Environment): Promise<void> => {
  const actor = { kind: 'operator' as const, id: userInfo().username, roles: [] };
  const { created, rows, notes } = await withDatabase(env, openDatabase, (database) => restoreLedger(database, resolve(file), actor));
  context.out(`restored from ${created}: ${countOf(rows)}; the audit log is intact\n`);
  for (const note of notes) context.out(`note: ${plain(note)}\n`);
};
