import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { AuditEntry, type AuditVerification } from '@fso/shared/api';
import type { ExportFormat, Proofs } from '../../ledger/index.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';
import { auditColumns } from '../render/columns.ts';
import { type Format, writeData, writeFacts, writeRows } from '../render/output.ts';
import { withoutControls } from '../render/text.ts';

/** Options of `fso audit list`. */
export interface AuditListOptions {
  readonly output: Format;
  readonly action?: string;
  readonly actor?: string;
  readonly subject?: string;
  readonly limit?: number;
}

// The list does not load the ledger, which takes as long as loading the rest of the program.
// Members are destructured directly from the import, so that the bundle of the npm package contains
// only them.

/** Runs `fso audit list`. */
export const listAudit = async (context: Context, { output, ...query }: AuditListOptions): Promise<void> => {
  const entries = await (await context.connect()).audit(query);
  await writeRows(context, output, entries, auditColumns());
};

/** Runs `fso audit export`. */
export const exportAudit = async (context: Context, { format, after }: { format: ExportFormat; after?: number }): Promise<void> => {
  const hub = await context.connect();
  const { FORMATTERS } = await import('../../ledger/index.ts');
  const { head, line } = FORMATTERS[format];
  context.out(head);
  for await (const entry of hub.wholeAudit(after)) context.out(line(entry));
};

async function* readExport(file: string): AsyncGenerator<AuditEntry> {
  let number = 0;
  try {
    for await (const line of createInterface({ input: createReadStream(file, 'utf8') })) {
      number += 1;
      yield AuditEntry.parse(JSON.parse(line));
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw new CliError(`cannot read ${file}: ${error.message}`);
    throw new CliError(`${file}:${number}: is no entry of an audit log; only exports in the format jsonl can be verified`, EXIT.negative);
  }
}

const writeVerification = (context: Context, found: AuditVerification, output: 'text' | 'json'): void | Promise<void> => {
  if (output === 'json') return writeData(context, 'json', found);
  writeFacts(context, [
    ['Entries', String(found.entries)],
    ['Last', found.head === null ? '-' : `${found.head.sequence} ${found.head.hash}`],
    ['Checkpoints', String(found.checkpoints)],
    ['Witnesses', String(found.witnesses)],
    ['Audit log', found.ok ? 'intact' : context.paint('red', 'NOT INTACT')],
  ]);
  for (const { message } of found.problems) context.out(`  ${withoutControls(message)}\n`);
};

/** Options of `fso audit verify`. */
export interface AuditVerifyOptions {
  readonly output: 'text' | 'json';
  /** Public key that must have signed the checkpoints, instead of the one that the hub returns. */
  readonly key?: string;
}

/**
 * Runs `fso audit verify`. Computes every hash locally and does not rely on the hub's own result.
 *
 * @returns the exit code
 */
export const verifyAuditLog = async (context: Context, file: string | undefined, options: AuditVerifyOptions): Promise<number> => {
  const found = file === undefined ? await verifyHub(context, options) : await verifyFile(file);
  await writeVerification(context, found, options.output);
  return found.ok ? EXIT.ok : EXIT.negative;
};

const verifyHub = async (context: Context, { key }: AuditVerifyOptions): Promise<AuditVerification> => {
  const { verifyAudit } = await import('../../ledger/index.ts');
  const hub = await context.connect();
  // Proofs are read first, so that entries added meanwhile lie after them and do not count as
  // missing.
  const proofs: Proofs = await hub.auditProofs();
  return verifyAudit(hub.wholeAudit(), { ...proofs, key: key ?? proofs.key });
};

const verifyFile = async (file: string): Promise<AuditVerification> => {
  const { verifyAudit } = await import('../../ledger/index.ts');
  return verifyAudit(readExport(file), { key: null, checkpoints: [], witnesses: [] });
};
