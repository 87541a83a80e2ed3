import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import type { Environment } from '@fso/shared/runtime';
import { loadDatabaseConfig } from '../../config.ts';
import { backupLedger } from '../../ledger/backup/backup.ts';
import { restoreLedger } from '../../ledger/backup/restore.ts';
import { LedgerError } from '../../ledger/ledger-error.ts';
import { type Database, openDatabase } from '../../ledger/sql/database.ts';
import { describeDatabaseError } from '../../ledger/sql/errors.ts';
import manifest from '../../package.json' with { type: 'json' };
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';
import { plain } from '../text.ts';

/** Opens what the hub would open. */
const withDatabase = async <T>(env: Environment, use: (database: Database) => Promise<T>): Promise<T> => {
  try {
    const database = await openDatabase(await loadDatabaseConfig(env));
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
export const backup = async (context: Context, file: string, env: Environment): Promise<void> => {
  const { rows, digest } = await withDatabase(env, (database) => backupLedger(database, resolve(file), manifest.version));
  context.out(`${file}: ${countOf(rows)}\nsha256 ${digest}\n`);
};

/** `fso restore` */
export const restore = async (context: Context, file: string, env: Environment): Promise<void> => {
  const actor = { kind: 'operator' as const, id: userInfo().username, roles: [] };
  const { created, rows, notes } = await withDatabase(env, (database) => restoreLedger(database, resolve(file), actor));
  context.out(`restored from ${created}: ${countOf(rows)}; the audit log is intact\n`);
  for (const note of notes) context.out(`note: ${plain(note)}\n`);
};
