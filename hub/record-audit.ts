import type { ClusterEvent } from '@fso/shared/api';
import type pino from 'pino';
import type { AuditRecord, OnAudit } from './access/index.ts';
import type { Ledger } from './ledger/types.ts';

/** One line for people. */
export const auditMessage = ({ actor, from, action, subject, outcome, detail }: AuditRecord): string => {
  const who = `${actor.name} (${actor.kind}${actor.roles.map((role) => `, ${role}`).join('')}) from ${from}`;
  const what = [action, subject].filter((part) => part !== '').join(' ');
  return `${who}: ${what}: ${outcome}${detail === '' ? '' : ` (${detail})`}`.slice(0, 4096);
};

const eventOf = (record: AuditRecord): ClusterEvent => ({
  time: record.time,
  severity: record.outcome === 'done' ? 'info' : 'warning',
  reason: 'AccessAudit',
  message: auditMessage(record),
});

/** Writes what somebody changed, or tried to, into the log and the events of the hub. */
export const recordAudit =
  ({ ledger, logger }: { ledger: Ledger; logger: pino.Logger }): OnAudit =>
  async (record) => {
    logger.info({ audit: record }, 'audit');
    await ledger.addEvent(null, eventOf(record));
  };
