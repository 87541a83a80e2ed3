import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf } from '@fso/shared/text';
import { type BackupSummary, keepBackup, readBackup } from '../../../ledger/index.ts';
import type { Context } from '../../context.ts';
import { CliError } from '../../errors.ts';

/** Options of `fso backup`. */
export interface BackupOptions {
  readonly force: boolean;
  /** Whether the hub of `--server` creates the backup instead of this process. */
  readonly fromHub: boolean;
  /** Number of backups to keep in the folder; undefined: a single file is written. */
  readonly keep: number | undefined;
}

/** Function that writes a backup to a new file, or replaces one if permitted. */
type Write = (path: string, replace: boolean) => Promise<BackupSummary>;

const ENDED = 'the hub ended the backup before it was whole: its log says why; a reader that is too slow is cut off';

/** Downloads a backup from the hub and checks it completely before it is kept. */
const fetchBackup = async (context: Context, path: string, replace: boolean): Promise<BackupSummary> => {
  const hub = await context.connect();
  const body = await hub.backup();
  try {
    const { end } = await keepBackup({ path, replace }, async (target, partial) => {
      await pipeline(Readable.fromWeb(body), target);
      return readBackup(partial);
    });
    return { rows: end.rows, digest: end.sha256, isSigned: end.signature !== undefined };
  } catch (error) {
    // Thrown by fetch if an answer ends early.
    if (error instanceof TypeError) throw new CliError(`${ENDED} (${messageOf(error)})`);
    throw new CliError(messageOf(error));
  }
};

const BACKUP_NAME = /^ledger-\d{8}T\d{9}Z\.jsonl\.gz$/;

/** Returns the name of a backup. Names sort by age. */
const backupName = (now: Date): string => `ledger-${now.toISOString().replaceAll(/[-:.]/g, '')}.jsonl.gz`;

/** Pattern of the file that an interrupted backup leaves behind. */
const PARTIAL_NAME = /^ledger-\d{8}T\d{9}Z\.jsonl\.gz\.[0-9a-f-]{36}\.partial$/;
const DAY_MS = 86_400_000;

/** Removes files of backups that were interrupted at least a day ago and would fill the volume. */
const removePartial = async (folder: string, now: Date): Promise<void> => {
  const limit = backupName(new Date(now.getTime() - DAY_MS));
  for (const name of await readdir(folder)) if (PARTIAL_NAME.test(name) && name < limit) await rm(join(folder, name), { force: true });
};

/** Removes all but the newest backups in the folder. @returns names of the removed files */
const removeOld = async (folder: string, keep: number): Promise<readonly string[]> => {
  const names = (await readdir(folder)).filter((name) => BACKUP_NAME.test(name)).toSorted();
  const old = names.slice(0, Math.max(0, names.length - keep));
  for (const name of old) await rm(join(folder, name));
  return old;
};

/** Formats the numbers of clusters, events and audit entries in a backup. */
export const formatRowCounts = (rows: Readonly<Record<string, number>>): string => {
  const { clusters = 0, events = 0, audit = 0 } = rows;
  return `${clusters} clusters, ${events} events, ${audit} audit entries`;
};

/** Runs `fso backup`. @param target file to write, or with `keep` the folder of the backups */
export const keepBackups = async (context: Context, target: string, { force, keep }: BackupOptions, write: Write): Promise<void> => {
  if (keep !== undefined) {
    await mkdir(target, { recursive: true });
    await removePartial(target, context.now());
  }
  const path = resolve(keep === undefined ? target : join(target, backupName(context.now())));
  const { rows, digest, isSigned } = await write(path, force);
  context.out(`${keep === undefined ? target : path}: ${formatRowCounts(rows)}\nsha256 ${digest}\n`);
  if (!isSigned) context.out('note: it is not signed: the key of the newest checkpoint is not here (FSO_AUDIT_KEY_FILE)\n');
  // Old backups are removed only after the new one is complete.
  for (const name of keep === undefined ? [] : await removeOld(target, keep)) context.out(`removed ${name}\n`);
};

/** Runs `fso backup` of the npm package, which cannot open a database. */
export const backupFromHub = (context: Context, target: string, options: BackupOptions): Promise<void> => {
  if (options.fromHub) return keepBackups(context, target, options, (path, replace) => fetchBackup(context, path, replace));
  throw new CliError("this program opens no database: add --from-hub, or run the fso of the hub's image or of a checkout");
};
