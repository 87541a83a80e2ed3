import type { AuditEntry } from '@fso/shared/api';
import type { AuditFilter, AuditLog, FoundAudit } from '../audit-log.ts';
import { isWithin } from '../event-filter.ts';

const lists = ({ detail }: AuditEntry, field: string, name: string): boolean => {
  const list = detail[field];
  return Array.isArray(list) && list.includes(name);
};

const isAbout = (entry: AuditEntry, cluster: string): boolean => {
  const { actor, subject, detail } = entry;
  const isOwn = (actor.kind === 'agent' && actor.id === cluster) || subject === cluster || detail['cluster'] === cluster;
  return isOwn || lists(entry, 'clusters', cluster);
};

/** Fields of an entry's detail that list the policies of a commit. */
const POLICY_LISTS = ['added', 'changed', 'removed'];

const names = (entry: AuditEntry, policy: string): boolean => POLICY_LISTS.some((field) => lists(entry, field, policy));

/** Whether an entry matches all given fields of a filter. */
export const matchesAudit = (entry: AuditEntry, filter: AuditFilter): boolean =>
  (filter.action === undefined || entry.action === filter.action) &&
  (filter.actor === undefined || entry.actor.id === filter.actor) &&
  (filter.subject === undefined || entry.subject === filter.subject) &&
  (filter.cluster === undefined || isAbout(entry, filter.cluster)) &&
  (filter.policy === undefined || names(entry, filter.policy)) &&
  isWithin(entry.time, filter);

/** Options for reading the log. */
export interface ReadOptions {
  /** Number of entries read at a time. Default: 1,000. */
  readonly pageSize?: number;
  readonly filter?: AuditFilter;
  /** Stops reading. */
  readonly signal?: AbortSignal | undefined;
}

/** Yields the entries of a log, oldest first, reading a page at a time. */
export async function* readAudit(log: Pick<AuditLog, 'search'>, options: ReadOptions = {}): AsyncGenerator<AuditEntry> {
  const { pageSize = 1000, filter = {}, signal } = options;
  let from: number | null = 0;
  while (from !== null && signal?.aborted !== true) {
    const { entries, next }: FoundAudit = await log.search({ filter, order: 'asc', from, limit: pageSize, ...(signal && { signal }) });
    yield* entries;
    from = next;
  }
}
