import type { ClusterEvent, NewAuditEntry } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import type pino from 'pino';
import type { IdentityEvent } from './identity/index.ts';
import type { Ledger } from './ledger/types.ts';

const SEVERITY: Readonly<Record<IdentityEvent['reason'], ClusterEvent['severity']>> = {
  EnrolmentTokenIssued: 'info',
  ClusterEnrolled: 'info',
  CertificateRenewed: 'info',
  ClusterRevoked: 'alert',
  EnrolmentRefused: 'warning',
};
/** Anybody can cause refusals: they must not wash the history out. */
const REFUSALS_EVERY_MS = 60_000;

/** What people do to identities is in the audit log as a call of the API; that an agent has enrolled is not. */
const entriesOf = ({ reason, cluster, message }: IdentityEvent): NewAuditEntry[] =>
  reason !== 'ClusterEnrolled' || cluster === null
    ? []
    : [{ actor: { kind: 'agent', id: cluster, roles: [] }, from: null, action: 'cluster.enrol', subject: cluster, detail: { message } }];

/** Writes what happens to identities into log and history. A renewal a day and cluster is for the log alone. */
export const recordIdentity = ({
  ledger,
  clock,
  logger,
}: {
  ledger: Ledger;
  clock: Clock;
  logger: pino.Logger;
}): ((event: IdentityEvent) => void) => {
  let nextRefusal = Number.NEGATIVE_INFINITY;
  const isForHistory = ({ reason }: IdentityEvent): boolean => {
    if (reason !== 'EnrolmentRefused') return reason !== 'CertificateRenewed';
    const now = clock.monotonicMs();
    if (now < nextRefusal) return false;
    nextRefusal = now + REFUSALS_EVERY_MS;
    return true;
  };
  return (event) => {
    const { reason, cluster, message } = event;
    const severity = SEVERITY[reason];
    logger[severity === 'info' ? 'info' : 'warn']({ cluster, reason, detail: message }, 'identity event');
    if (!isForHistory(event)) return;
    const time = clock.now().toISOString();
    const writes = [ledger.addEvent(cluster, { time, severity, reason, message }), ...entriesOf(event).map(ledger.audit.append)];
    Promise.all(writes).catch((err: unknown) => logger.error({ err }, 'ledger write failed'));
  };
};
