import type { AuditEntry } from '@fso/shared/api';
import { isWithin } from '../period.ts';
import type { AuditFilter, AuditLog } from './types.ts';

const isAbout = ({ actor, subject, detail }: AuditEntry, cluster: string): boolean =>
  (actor.kind === 'agent' && actor.id === cluster) || subject === cluster || detail['cluster'] === cluster;

/** Fields of a detail that say which policies a commit changed. */
const POLICY_LISTS = ['added', 'changed', 'removed'];

const names = ({ subject, detail }: AuditEntry, policy: string): boolean =>
  subject === policy ||
  detail['policy'] === policy ||
  POLICY_LISTS.some((field) => {
    const list = detail[field];
    return Array.isArray(list) && list.includes(policy);
  });

export const matchesAudit = (entry: AuditEntry, filter: AuditFilter): boolean =>
  (filter.action === undefined || entry.action === filter.action) &&
  (filter.actor === undefined || entry.actor.id === filter.actor) &&
  (filter.subject === undefined || entry.subject === filter.subject) &&
  (filter.cluster === undefined || isAbout(entry, filter.cluster)) &&
  (filter.policy === undefined || names(entry, filter.policy)) &&
  isWithin(entry.time, filter);

/** Reads a log forwards, a page at a time. */
export async function* readAudit(log: Pick<AuditLog, 'after'>, pageSize = 1000, filter: AuditFilter = {}): AsyncGenerator<AuditEntry> {
  let last = 0;
  for (;;) {
    const page = await log.after(last, pageSize, filter);
    yield* page;
    last = page.at(-1)?.sequence ?? last;
    if (page.length < pageSize) return;
  }
}
