import type { ClusterEvent, NewAuditEntry } from '@fso/shared/api';
import { type Clock, createRateLimit, type Logger } from '@fso/shared/runtime';
import type { IdentityEvent } from '../identity/index.ts';
import type { Journal } from '../ledger/index.ts';

const SEVERITY: Readonly<Record<IdentityEvent['reason'], ClusterEvent['severity']>> = {
  EnrolmentTokenIssued: 'info',
  ClusterEnrolled: 'info',
  CertificateRenewed: 'info',
  ClusterRevoked: 'alert',
  ClusterForgotten: 'info',
  EnrolmentRefused: 'warning',
};
/**
 * Limit of recorded refusals: one a minute per cluster. Anyone can cause refusals, and they must
 * not displace the history or fill the audit log.
 */
const REFUSALS = { burst: 1, perSecond: 1 / 60, addresses: 10_000 };

/**
 * Audit actions of events that agents cause. Actions of people on identities are audited as API
 * calls.
 */
const ACTIONS: Readonly<Partial<Record<IdentityEvent['reason'], string>>> = {
  ClusterEnrolled: 'cluster.enrol',
  CertificateRenewed: 'cluster.renew',
  EnrolmentRefused: 'cluster.refuse',
};

/**
 * Key of the limit. Proven and claimed clusters are limited separately, so that claims cannot hide
 * the refusals of a cluster.
 */
const refusalKey = ({ cluster, claimed = '' }: IdentityEvent): string => (cluster === null ? `claimed ${claimed}` : `proven ${cluster}`);

const entriesOf = ({ reason, cluster, claimed, from, message }: IdentityEvent): NewAuditEntry[] => {
  const action = ACTIONS[reason];
  if (action === undefined) return [];
  const actor: NewAuditEntry['actor'] =
    cluster === null ? { kind: 'anonymous', id: 'unknown', roles: [] } : { kind: 'agent', id: cluster, roles: [] };
  return [{ actor, from, action, subject: cluster ?? claimed ?? '', detail: { message } }];
};

/**
 * Records identity events in the log, the audit log and the history (except renewals, which are
 * daily for each cluster). Resolves once the event is stored; refusals do not wait for that.
 */
export const recordIdentity = ({
  ledger,
  clock,
  logger,
}: {
  ledger: Journal;
  clock: Clock;
  logger: Logger;
}): ((event: IdentityEvent) => Promise<void>) => {
  const keepsRefusal = createRateLimit(clock, REFUSALS);
  const keep = async (event: IdentityEvent): Promise<void> => {
    const { reason, cluster, message } = event;
    const time = clock.now().toISOString();
    const writes = entriesOf(event).map(ledger.audit.append);
    if (reason !== 'CertificateRenewed') writes.push(ledger.addEvent(cluster, { time, severity: SEVERITY[reason], reason, message }));
    await Promise.all(writes);
  };
  return async (event) => {
    const { reason, cluster, claimed, from, message } = event;
    const isRefusal = reason === 'EnrolmentRefused';
    if (isRefusal && !keepsRefusal(refusalKey(event))) return;
    logger[SEVERITY[reason] === 'info' ? 'info' : 'warn']({ cluster, claimed, from, reason, detail: message }, 'identity event');
    if (!isRefusal) return keep(event);
    keep(event).catch((err: unknown) => logger.error({ err }, 'ledger write failed'));
  };
};
