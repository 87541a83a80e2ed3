import type { NewAuditEntry } from '@fso/shared/api';
import { canonicalJson } from '@fso/shared/encoding';
import type { Checkpoint } from '@fso/shared/protocol';
import { sql, type Transaction } from 'kysely';
import { hasSignedBackup } from '../audit/key.ts';
import { readAudit } from '../audit/read.ts';
import { examineAudit } from '../audit/verify.ts';
import { chainEntry } from '../audit-log.ts';
import type { Database } from '../sql/database.ts';
import { migrate, NEWEST_VERSION } from '../sql/migrate.ts';
import { forgetReports } from '../sql/migrations/0008-policy-lists.ts';
import type { Schema } from '../sql/schema.ts';
import { createSqlAudit } from '../sql/search/audit-log.ts';
import { readHead } from '../sql/search/audit-rows.ts';
import { lockWrites } from '../sql/write-lock.ts';
import { LedgerError } from '../types.ts';
import { Line } from './format.ts';
import { type Backup, parseLine, readBackup, rereadBackup } from './read-backup.ts';
import { type Row, TABLES } from './tables.ts';

/** Result of a restore: time of the backup, number of rows by table, and notes on the audit log. */
export interface RestoreSummary {
  readonly created: string;
  readonly rows: Readonly<Record<string, number>>;
  /** Notes on the audit log for the operator. They do not prevent the restore. */
  readonly notes: readonly string[];
}

/** Number of the migration since which clusters report by exception. */
const BY_EXCEPTION = 8;

/** Maximum size of one statement. */
const ROWS = 500;
const CHARACTERS = 4 * 1024 * 1024;

/** Reads and checks a whole backup. @throws LedgerError if this version cannot restore it */
export const checkBackup = (file: string): Promise<Backup> => readBackup(file, NEWEST_VERSION);

const refuseFilled = async (trx: Transaction<Schema>): Promise<void> => {
  for (const { name } of TABLES) {
    const { rows } = await sql`select 1 from ${sql.table(name)} limit 1`.execute(trx);
    if (rows.length > 0)
      throw new LedgerError(
        `the ledger is not empty (table ${name}): a backup is restored into a new database or an empty data folder only`,
      );
  }
};

/**
 * Tables and columns of earlier versions. They are skipped, because agents report their content
 * again.
 */
const FORMER_TABLES: ReadonlySet<string> = new Set(['policy_chunks', 'deviations']);
const FORMER_COLUMNS: ReadonlySet<string> = new Set(['reported_digest', 'kept_json', 'full_version']);

const withoutFormer = (row: Row): Row => Object.fromEntries(Object.entries(row).filter(([column]) => !FORMER_COLUMNS.has(column)));

const insert = async (trx: Transaction<Schema>, table: string, rows: readonly Row[]): Promise<void> => {
  if (FORMER_TABLES.has(table)) return;
  const known = TABLES.find(({ name }) => name === table);
  if (known === undefined) throw new LedgerError(`the backup has rows of an unknown table: ${table}`);
  if (rows.length > 0)
    await trx
      .insertInto(known.name)
      .values(rows.map(withoutFormer) as never)
      .execute();
};

const insertAll = async (trx: Transaction<Schema>, backup: Backup): Promise<void> => {
  let table = '';
  let rows: Row[] = [];
  let size = 0;
  const flush = async (): Promise<void> => {
    if (table !== '') await insert(trx, table, rows);
  };
  await rereadBackup(backup, async (line) => {
    // The manifest and the end are no rows and were read before.
    if (!line.startsWith('{"table":')) return;
    const next = parseLine(Line, line, backup.file, 'a line');
    if (next.table !== table || rows.length >= ROWS || size + line.length > CHARACTERS) {
      await flush();
      ({ table } = next);
      rows = [];
      size = 0;
    }
    rows.push(next.row);
    size += line.length;
  });
  await flush();
};

/**
 * Checks the signature of a backup.
 *
 * @param checkpoints in order of sequence; hubs with different keys may have signed the newest
 * entry more than once
 * @returns notes for the operator
 * @throws LedgerError if no key of a newest checkpoint signed the backup
 */
const checkSignature = ({ file, end: { sha256, signature } }: Backup, checkpoints: readonly Checkpoint[]): string[] => {
  if (signature === undefined) return ['the backup is not signed: beyond the audit log nothing proves what is in it'];
  const newest = checkpoints.at(-1)?.sequence;
  const keys = checkpoints.filter(({ sequence }) => sequence === newest).map(({ key }) => key);
  if (keys.some((key) => hasSignedBackup(key, sha256, signature))) return [];
  throw new LedgerError(
    `${file} was changed: it is not signed by the key of its newest checkpoint (${keys.join(', ') || 'there is none'})`,
  );
};

const finish = async (trx: Transaction<Schema>, entry: NewAuditEntry, shared: boolean): Promise<void> => {
  // SQLite continues after the highest id without this.
  for (const name of shared ? ['events', 'cluster_history'] : [])
    await sql`select setval(${`${name}_id_seq`}, (select coalesce(max(id), 0) + 1 from ${sql.table(name)}), false)`.execute(trx);
  await sql`update ledger_version set value = (select coalesce(max(version), 0) from (select version from clusters union all select version from records union all select version from state union all select version from policy_lists) as all_versions)`.execute(
    trx,
  );
  await trx.updateTable('clusters').set({ connected_by: null }).execute();
  const head = await readHead(trx);
  const placed = chainEntry(entry, head, new Date().toISOString());
  await trx
    .insertInto('audit')
    .values({ sequence: placed.sequence, entry_json: canonicalJson(placed) })
    .execute();
};

/**
 * Fills an empty ledger from a backup in one transaction. Verifies the audit log, and appends an
 * entry on the restore to it.
 *
 * @param backup result of {@link checkBackup}; the file is read again
 * @throws LedgerError that says what is wrong with the file, the ledger or its audit log
 */
export const restoreLedger = async (database: Database, backup: Backup, actor: NewAuditEntry['actor']): Promise<RestoreSummary> => {
  const { manifest, end } = backup;
  await migrate(database);
  // A replaced key says nothing about the entries, and refusing the backup would lose them.
  const notes = await database.patiently((db) =>
    db.transaction().execute(async (trx) => {
      if (database.shared) await lockWrites(trx);
      await refuseFilled(trx);
      await insertAll(trx, backup);
      if (manifest.version < BY_EXCEPTION) await forgetReports(trx);
      const log = createSqlAudit(trx, () => Promise.reject(new Error('only read here')));
      const proofs = await log.proofs();
      const unsigned = checkSignature(backup, proofs.checkpoints);
      const verified = await examineAudit(readAudit(log), { ...proofs, key: null });
      const [problem] = verified.problems;
      if (problem !== undefined)
        throw new LedgerError(`the audit log of the backup is not intact, so nothing was restored: ${problem.message}`);
      const detail = { created: manifest.created, sha256: end.sha256, entries: verified.entries };
      await finish(trx, { actor, from: null, action: 'ledger.restore', subject: 'ledger', detail }, database.shared);
      return [...unsigned, ...verified.foreign.map(({ message }) => message)];
    }),
  );
  return { created: manifest.created, rows: end.rows, notes };
};
