import type { ClusterEvent } from '@fso/shared/api';
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
    ledger.addEvent(cluster, { time, severity, reason, message }).catch((err: unknown) => logger.error({ err }, 'ledger write failed'));
  };
};
