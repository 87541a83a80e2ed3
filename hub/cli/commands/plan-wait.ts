import type { ClusterView, SourceView } from '@fso/shared/api';
import { shortRevision } from '@fso/shared/text';

/**
 * Goal of the wait: every agent accepted the revision, or every policy of it is proven enforced.
 */
export type Goal = 'accepted' | 'proven';

/** State for which `fso wait` waits: a commit that clusters have accepted or proven. */
export interface Wanted {
  /** A commit id or the beginning of one. */
  readonly revision: string;
  readonly goal: Goal;
  readonly cluster?: string | undefined;
  /**
   * Revisions that came into force after the wanted one during the wait; each of them includes it.
   */
  readonly later: ReadonlySet<string>;
}

export interface Missing {
  readonly cluster: string;
  readonly reason: string;
}

export type Progress =
  | { readonly state: 'done'; readonly clusters: number }
  | { readonly state: 'refused'; readonly reason: string }
  | { readonly state: 'waiting'; readonly reason: string; readonly missing: readonly Missing[] };

const has = (wanted: Wanted, revision: string | null): boolean =>
  revision !== null && (revision.startsWith(wanted.revision) || wanted.later.has(revision));

const place = ({ path, line, column }: { path?: string | undefined; line?: number | undefined; column?: number | undefined }): string =>
  path === undefined ? '' : `${[path, line, column].filter((part) => part !== undefined).join(':')}: `;

const reasonOf = (wanted: Wanted, cluster: ClusterView): string | undefined => {
  if (cluster.connection !== 'Connected') return `is not connected (${cluster.connection})`;
  if (cluster.nack !== null && has(wanted, cluster.nack.revision)) {
    const [first] = cluster.nack.reasons;
    return `refused the revision${first === undefined ? '' : `: ${place(first)}${first.reason}`}`;
  }
  if (!has(wanted, cluster.revision)) return `has accepted ${shortRevision(cluster.revision)}`;
  if (wanted.goal === 'accepted' || has(wanted, cluster.provenRevision)) return undefined;
  if (cluster.notObserved !== null) return `is not observed (${cluster.notObserved.what.join(', ')})`;
  const { active, total, failed } = cluster.policies;
  return `has proven ${shortRevision(cluster.provenRevision)}; ${active} of ${total} policies active${failed > 0 ? `, ${failed} failed` : ''}`;
};

/**
 * Clusters to wait for: the named one, else all that are registered. A cluster that is not
 * registered has no regions and should have no policies.
 */
const concerned = (wanted: Wanted, clusters: readonly ClusterView[]): ClusterView[] =>
  clusters.filter(({ name, regions }) => (wanted.cluster === undefined ? regions.length > 0 : name === wanted.cluster));

/** Progress of the fleet towards the goal. Pure. */
export const planWait = (wanted: Wanted, source: SourceView, clusters: readonly ClusterView[]): Progress => {
  const { rejected } = source;
  if (rejected?.commit.revision.startsWith(wanted.revision)) {
    const [first] = rejected.problems;
    return {
      state: 'refused',
      reason: first === undefined ? 'the hub refused the commit' : `the hub refused the commit: ${place(first)}${first.reason}`,
    };
  }
  const rows = concerned(wanted, clusters);
  const missing = rows.flatMap((cluster): Missing[] => {
    const reason = reasonOf(wanted, cluster);
    return reason === undefined ? [] : [{ cluster: cluster.name, reason }];
  });
  if (rows.length > 0 && missing.length === 0) return { state: 'done', clusters: rows.length };
  if (wanted.cluster !== undefined && rows.length === 0)
    return { state: 'waiting', reason: `the hub knows no cluster ${wanted.cluster}`, missing: [] };
  const known = has(wanted, source.revision?.revision ?? null);
  const summary = `${wanted.goal} in ${rows.length - missing.length} of ${rows.length} clusters`;
  return { state: 'waiting', reason: known ? summary : `the hub is at ${shortRevision(source.revision?.revision)}`, missing };
};
