import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { readIfThere, systemClock } from '@fso/shared/runtime';
import { loadLedgerConfig } from '../../../config/config.ts';
import { forgetEnrolment } from '../../../identity/index.ts';
import {
  type AuditKey,
  backupLedger,
  checkBackup,
  type DatabaseConfig,
  type DatabaseReader,
  describeDatabaseError,
  forgetStored,
  LedgerError,
  loadAuditKey,
  moveEmbedded,
  openDatabase,
  openReader,
  restoreLedger,
} from '../../../ledger/index.ts';
import manifest from '../../../package.json' with { type: 'json' };
import type { Context } from '../../context.ts';
import { CliError, EXIT } from '../../errors.ts';
import { withoutControls } from '../../render/text.ts';
import { type BackupOptions, backupFromHub, formatRowCounts, keepBackups } from './backup.ts';

type Open<D> = (config: DatabaseConfig) => Promise<D>;

const explain = (error: unknown): never => {
  throw new CliError(error instanceof LedgerError ? error.message : describeDatabaseError(error));
};

/** Runs work on the database that the hub would open. */
const withDatabase = async <D extends DatabaseReader, T>(
  { io }: Context,
  open: Open<D>,
  use: (database: D, auditKeyFile: string) => Promise<T>,
): Promise<T> => {
  try {
    const config = await loadLedgerConfig(io.env);
    const database = await open(config.database);
    try {
      return await use(database, config.auditKeyFile);
    } finally {
      await database.close();
    }
  } catch (error) {
    return explain(error);
  }
};

/** Loads the audit key if it exists. Does not create one. */
const findKey = async (file: string): Promise<AuditKey | undefined> =>
  (await readIfThere(file)) === undefined ? undefined : loadAuditKey(file);

/** Returns the name of the user. In a container the user may have none. */
const userName = (): string => {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
};

/** Actor of the command in the audit log. */
const operator = () => ({ kind: 'operator' as const, id: userName(), roles: [] });

/** Backs up the ledger of this machine, or with `--from-hub` that of the hub. */
export const backup = (context: Context, target: string, options: BackupOptions): Promise<void> => {
  if (options.fromHub) return backupFromHub(context, target, options);
  const write = async (path: string, replace: boolean) =>
    withDatabase(context, openReader, async (database, auditKeyFile) => {
      const key = await findKey(auditKeyFile);
      return backupLedger(database, { path, replace, version: manifest.version, key });
    });
  return keepBackups(context, target, options, write);
};

/** Folders of a ledger that was moved for a restore. */
interface MovedLedger {
  readonly folder: string;
  readonly aside: string;
}

/**
 * Moves an embedded ledger, if there is one, to make room for a restore.
 *
 * @throws LedgerError while a hub has it open, or if the ledger is on a server
 */
const setAside = async (context: Context): Promise<MovedLedger | undefined> => {
  const { database } = await loadLedgerConfig(context.io.env);
  if ('url' in database) throw new LedgerError('--replace is for the embedded ledger: name a new, empty database in DATABASE_URL');
  const { folder } = database;
  if (!existsSync(folder)) return undefined;
  const aside = `${folder}.before-${context.now().toISOString().replaceAll(':', '')}`;
  await moveEmbedded(folder, aside);
  return { folder, aside };
};

/** Moves a ledger back, replacing the empty one of a failed restore. */
const putBack = async ({ folder, aside }: MovedLedger): Promise<void> => {
  await rm(folder, { recursive: true, force: true });
  await rename(aside, folder);
};

/** Runs `fso restore`. */
export const restore = async (context: Context, file: string, { replace }: { readonly replace: boolean }): Promise<void> => {
  // Checked first, so that an unusable file does not cost the existing ledger.
  const checked = await checkBackup(resolve(file)).catch(explain);
  const moved = replace ? await setAside(context).catch(explain) : undefined;
  const restoring = withDatabase(context, openDatabase, (database) => restoreLedger(database, checked, operator()));
  const { created, rows, notes } = await restoring.catch(async (error: unknown) => {
    // Some checks, such as of signatures, are only possible while rows are read.
    if (moved !== undefined) await putBack(moved);
    throw error;
  });
  if (moved !== undefined) context.out(`the ledger that was there is now ${moved.aside}\n`);
  context.out(`restored from ${created}: ${formatRowCounts(rows)}; the audit log is intact\n`);
  for (const note of notes) context.out(`note: ${withoutControls(note)}\n`);
};

/** Runs `fso ledger forget`. @returns the exit code */
export const forgetInLedger = async (context: Context, cluster: string, { yes }: { yes: boolean }): Promise<number> => {
  if (!yes) {
    context.progress(
      `This removes what the ledger knows of ${cluster} and makes its certificates and tokens worthless; its history stays. Repeat with --yes.\n`,
    );
    return EXIT.error;
  }
  const isSigned = await withDatabase(context, openDatabase, async (database, auditKeyFile) => {
    const forget = { cluster, actor: operator(), enrolment: forgetEnrolment(cluster, systemClock.now()), key: await findKey(auditKeyFile) };
    return forgetStored(database, forget, systemClock);
  });
  context.out(`${cluster} is forgotten.\n`);
  if (!isSigned) context.out('note: the next hub signs the audit log: the key of the newest checkpoint is not here (FSO_AUDIT_KEY_FILE)\n');
  return EXIT.ok;
};
