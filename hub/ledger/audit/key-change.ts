import type { AuditEntry } from '@fso/shared/api';
import type { Checkpoint } from '@fso/shared/protocol';
import type { AuditLog } from '../audit-log.ts';
import { LedgerError } from '../types.ts';
import { type AuditKey, loadAuditKey } from './key.ts';

/** Action of the entry that announces a new audit key. */
const ACTION = 'audit.key.changed';

/** Announcement in the log that later checkpoints are signed by another key. */
export interface KeyChange {
  /** Sequence number of the announcing entry. */
  readonly sequence: number;
  readonly before: string;
  readonly after: string;
}

/** Reads the key change that an entry announces; undefined: none. */
export const keyChangeOf = (entry: AuditEntry): KeyChange | undefined => {
  // Checked first: a tampered entry may lack all other fields.
  if (entry.action !== ACTION || entry.actor?.kind !== 'hub') return undefined;
  const { before, after } = entry.detail ?? {};
  return typeof before === 'string' && typeof after === 'string' ? { sequence: entry.sequence, before, after } : undefined;
};

/**
 * Returns the key and its predecessors. A new key is accepted as successor if it signed a
 * checkpoint that covers the entry of its announcement, and with it all earlier entries.
 *
 * @param changes oldest first
 */
export const keysUpTo = (key: string, changes: readonly KeyChange[], checkpoints: readonly Checkpoint[]): ReadonlySet<string> => {
  const keys = new Set([key]);
  const hasSigned = ({ after, sequence }: KeyChange): boolean =>
    checkpoints.some((checkpoint) => checkpoint.key === after && checkpoint.sequence >= sequence);
  for (const change of changes.toReversed()) if (keys.has(change.after) && hasSigned(change)) keys.add(change.before);
  return keys;
};

/**
 * Checks the key before it signs anything. A lost key is not replaced silently, because neither
 * agents nor a verification of the log could tell that from a forgery.
 *
 * @param accept whether the operator accepts a new key; the change is then written to the log
 * @throws LedgerError whose message names the remedy
 */
export const checkAuditKey = async (
  audit: Pick<AuditLog, 'lastCheckpoint' | 'append'>,
  { id, file, accept }: { readonly id: string; readonly file: string; readonly accept: boolean },
): Promise<void> => {
  const last = await audit.lastCheckpoint();
  if (last === null || last.key === id) return;
  if (!accept)
    throw new LedgerError(
      `the audit key ${file} is another one (${id}) than the one that signed the audit log so far (${last.key}): put that key back. ` +
        'If it is lost, start once with FSO_ACCEPT_NEW_AUDIT_KEY=true: the change is written into the log, and agents report AuditForkDetected',
    );
  await audit.append({
    actor: { kind: 'hub', id: 'hub', roles: [] },
    from: null,
    action: ACTION,
    subject: id,
    detail: { before: last.key, after: id },
  });
};

/**
 * Opens the key for checkpoints, or creates one if there is none.
 *
 * @throws LedgerError whose message names the remedy
 */
export const openAuditKey = async (
  audit: Pick<AuditLog, 'lastCheckpoint' | 'append'>,
  { auditKeyFile: file, acceptNewAuditKey: accept = false }: { readonly auditKeyFile: string; readonly acceptNewAuditKey?: boolean },
): Promise<AuditKey> => {
  const key = await loadAuditKey(file);
  await checkAuditKey(audit, { id: key.id, file, accept });
  return key;
};
