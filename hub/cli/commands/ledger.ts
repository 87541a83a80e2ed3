import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, readIfThere, systemClock } from '@fso/shared/runtime';
import { loadLedgerConfig } from '../../config/config.ts';
import { forgetEnrolment } from '../../identity/index.ts';
import {
  type AuditKey,
  backupLedger,
  checkBackup,
  type DatabaseConfig,
  type DatabaseReader,
  describeDatabaseError,
  forgetStored,
  keepBackup,
  LedgerError,
  loadAuditKey,
  moveEmbedded,
  openDatabase,
  openReader,
  restoreLedger,
} from '../../ledger/index.ts';
import manifest from '../../package.json' with { type: 'json' };
import { hubEnvironment } from '../client/environment.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';
import { plain } from '../render/text.ts';

type Open<D> = (config: DatabaseConfig) => Promise<D>;

const explain = (error: unknown): never => {
  throw new CliError(error instanceof LedgerError ? error.message : describeDatabaseError(error));
};

/** Works on what the hub would open. */
const withDatabase = async <D extends DatabaseReader, T>(
  open: Open<D>,
  use: (database: D, auditKeyFile: string) => Promise<T>,
): Promise<T> => {
  try {
    const config = await loadLedgerConfig(hubEnvironment());
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

const countOf = (rows: Readonly<Record<string, number>>): string => {
  const { clusters = 0, events = 0, audit = 0 } = rows;
  return `${clusters} clusters, ${events} events, ${audit} audit entries`;
};

/** Loads the key if there is one; makes none. */
const findKey = async (file: string): Promise<AuditKey | undefined> =>
  (await readIfThere(file)) === undefined ? undefined : loadAuditKey(file);

/** A container may run as a user that has no name. */
const userName = (): string => {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
};

/** The caller of the command. */
const operator = () => ({ kind: 'operator' as const, id: userName(), roles: [] });

export interface BackupOptions {
  readonly force: boolean;
  /** Whether the hub of `--server` writes it, instead of this process. */
  readonly fromHub: boolean;
  /** Number of backups to keep in the folder; undefined: one file is written. */
  readonly keep: number | undefined;
}

type Backup = { readonly rows: Readonly<Record<string, number>>; readonly digest: string; readonly isSigned: boolean };

/** Takes the backup that the hub sends, and reads it to its end before it counts. */
const fetchBackup = async (context: Context, path: string, replace: boolean): Promise<Backup> => {
  const hub = await context.connect();
  const body = await hub.backup();
  try {
    const { end } = await keepBackup({ path, replace }, async (target, partial) => {
      await pipeline(Readable.fromWeb(body), target);
      return checkBackup(partial);
    });
    return { rows: end.rows, digest: end.sha256, isSigned: end.signature !== undefined };
  } catch (error) {
    throw new CliError(messageOf(error));
  }
};

const BACKUP_NAME = /^ledger-\d{8}T\d{9}Z\.jsonl\.gz$/;

/** Names a backup by the moment, so that the order of the names is that of their age. */
const backupName = (now: Date): string => `ledger-${now.toISOString().replaceAll(/[-:.]/g, '')}.jsonl.gz`;

/** Name of what a backup leaves behind that is killed while it is written. */
const PARTIAL_NAME = /^ledger-\d{8}T\d{9}Z\.jsonl\.gz\.[0-9a-f-]{36}\.partial$/;
const DAY_MS = 86_400_000;

/** Removes files of backups that were killed a day ago or earlier: they would fill the volume. */
const removePartial = async (folder: string, now: Date): Promise<void> => {
  const limit = backupName(new Date(now.getTime() - DAY_MS));
  for (const name of await readdir(folder)) if (PARTIAL_NAME.test(name) && name < limit) await rm(join(folder, name), { force: true });
};

/** Removes all but the newest backups of the folder. @returns their names */
const removeOld = async (folder: string, keep: number): Promise<readonly string[]> => {
  const names = (await readdir(folder)).filter((name) => BACKUP_NAME.test(name)).toSorted();
  const old = names.slice(0, Math.max(0, names.length - keep));
  for (const name of old) await rm(join(folder, name));
  return old;
};

/** `fso backup`. @param target file to write; with `keep`, the folder of the backups */
export const backup = async (context: Context, target: string, { force, fromHub, keep }: BackupOptions): Promise<void> => {
  if (keep !== undefined) {
    await mkdir(target, { recursive: true });
    await removePartial(target, context.now());
  }
  const path = resolve(keep === undefined ? target : join(target, backupName(context.now())));
  const { rows, digest, isSigned } = fromHub
    ? await fetchBackup(context, path, force)
    : await withDatabase(openReader, async (database, auditKeyFile) => {
        const key = await findKey(auditKeyFile);
        return backupLedger(database, { path, replace: force, version: manifest.version, key });
      });
  context.out(`${keep === undefined ? target : path}: ${countOf(rows)}\nsha256 ${digest}\n`);
  if (!isSigned) context.out('note: it is not signed: the key of the newest checkpoint is not here (FSO_AUDIT_KEY_FILE)\n');
  // Only once there is a new one.
  for (const name of keep === undefined ? [] : await removeOld(target, keep)) context.out(`removed ${name}\n`);
};

/**
 * Moves an embedded ledger out of the way of a restore.
 *
 * @throws LedgerError while a hub has it open, or where it is on a server
 */
const setAside = async (context: Context): Promise<void> => {
  const { database } = await loadLedgerConfig(hubEnvironment());
  if ('url' in database) throw new LedgerError('--replace is for the embedded ledger: name a new, empty database in DATABASE_URL');
  if (!existsSync(database.folder)) return;
  const aside = `${database.folder}.before-${context.now().toISOString().replaceAll(':', '')}`;
  await moveEmbedded(database.folder, aside);
  context.out(`the ledger that was there is now ${aside}\n`);
};

/** `fso restore` */
export const restore = async (context: Context, file: string, { replace }: { readonly replace: boolean }): Promise<void> => {
  if (replace) {
    // A file that cannot be restored must not cost the ledger that is there.
    await checkBackup(resolve(file)).catch(explain);
    await setAside(context).catch(explain);
  }
  const { created, rows, notes } = await withDatabase(openDatabase, (database) => restoreLedger(database, resolve(file), operator()));
  context.out(`restored from ${created}: ${countOf(rows)}; the audit log is intact\n`);
  for (const note of notes) context.out(`note: ${plain(note)}\n`);
};

/** `fso ledger forget`. @returns the exit code */
export const forgetInLedger = async (context: Context, cluster: string, { yes }: { yes: boolean }): Promise<number> => {
  if (!yes) {
    context.progress(
      `This removes what the ledger knows of ${cluster} and makes its certificates and tokens worthless; its history stays. Repeat with --yes.\n`,
    );
    return EXIT.error;
  }
  const isSigned = await withDatabase(openDatabase, async (database, auditKeyFile) => {
    const forget = { cluster, actor: operator(), enrolment: forgetEnrolment(cluster, systemClock.now()), key: await findKey(auditKeyFile) };
    return forgetStored(database, forget, systemClock);
  });
  context.out(`${cluster} is forgotten.\n`);
  if (!isSigned) context.out('note: the next hub signs the audit log: the key of the newest checkpoint is not here (FSO_AUDIT_KEY_FILE)\n');
  return EXIT.ok;
};
