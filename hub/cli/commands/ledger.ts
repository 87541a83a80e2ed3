import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { readIfThere, systemClock } from '@fso/shared/runtime';
import { loadLedgerConfig } from '../../config/config.ts';
import { forgetEnrolment } from '../../identity/index.ts';
import {
  type AuditKey,
  backupLedger,
  type DatabaseConfig,
  type DatabaseReader,
  describeDatabaseError,
  forgetStored,
  LedgerError,
  loadAuditKey,
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
    throw new CliError(error instanceof LedgerError ? error.message : describeDatabaseError(error));
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

/** `fso backup` */
export const backup = async (context: Context, file: string, { force = false }: { force?: boolean }): Promise<void> => {
  const { rows, digest, isSigned } = await withDatabase(openReader, async (database, auditKeyFile) => {
    const key = await findKey(auditKeyFile);
    return backupLedger(database, { path: resolve(file), replace: force, version: manifest.version, key });
  });
  context.out(`${file}: ${countOf(rows)}\nsha256 ${digest}\n`);
  if (!isSigned) context.out('note: it is not signed: the key of the newest checkpoint is not here (FSO_AUDIT_KEY_FILE)\n');
};

/** `fso restore` */
export const restore = async (context: Context, file: string): Promise<void> => {
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
