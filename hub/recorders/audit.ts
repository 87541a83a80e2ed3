import { AuditActor, type ClusterEvent, MAX_MESSAGE, type NewAuditEntry } from '@fso/shared/api';
import { type Logger, truncate } from '@fso/shared/runtime';
import type { AuditRecord, OnAudit } from '../access/index.ts';
import type { Journal } from '../ledger/index.ts';

/** Formats an audit record as one line of text. */
export const auditMessage = ({ actor, from, action, subject, outcome, detail }: AuditRecord): string => {
  const who = `${actor.name} (${actor.kind}${actor.roles.map((role) => `, ${role}`).join('')}) from ${from}`;
  const what = [action, subject].filter((part) => part !== '').join(' ');
  return truncate(`${who}: ${what}: ${outcome}${detail === '' ? '' : ` (${detail})`}`, MAX_MESSAGE);
};

const eventOf = (record: AuditRecord): ClusterEvent => ({
  time: record.time,
  severity: record.outcome === 'done' ? 'info' : 'warning',
  reason: 'AccessAudit',
  message: auditMessage(record),
});

/** Returns the audit action for an operation, such as `api.create-token` for `createToken`. */
const actionOf = (operation: string): string => `api.${operation.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

const entryOf = ({ actor: { kind, id, name, roles }, from, action, subject, outcome, detail, requestId }: AuditRecord): NewAuditEntry => ({
  actor: { kind: AuditActor.shape.kind.parse(kind), id: id.slice(0, 512), roles: [...roles] },
  from,
  action: actionOf(action),
  subject: subject.slice(0, 512),
  detail: { outcome, name, detail: truncate(detail, MAX_MESSAGE), requestId },
});

/**
 * Writes each change by a caller, and each attempt, to the log, the audit log and the events of the
 * hub.
 */
export const recordAudit =
  ({ ledger, logger }: { ledger: Journal; logger: Logger }): OnAudit =>
  async (record) => {
    logger.info({ audit: record }, 'audit');
    await Promise.all([ledger.audit.append(entryOf(record)), ledger.addEvent(null, eventOf(record))]);
  };
