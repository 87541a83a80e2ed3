import type { Condition, PolicyInCluster } from '@fso/shared/api';
import { type Verdict, verdictOf } from '../../../lib/health.ts';

/** One condition as it stands in the same way in several clusters. */
export interface ConditionGroup {
  readonly type: string;
  readonly status: Condition['status'];
  readonly reason: string;
  /** Of the first cluster. */
  readonly message: string;
  /** Whether the others say something else. */
  readonly messagesDiffer: boolean;
  readonly clusters: readonly string[];
  /** How many of them are not connected: their state is the last known one. */
  readonly stale: number;
  /** When it last changed in one of them. */
  readonly since: string;
  readonly verdict: Verdict;
}

const RANK: Readonly<Record<Verdict, number>> = { bad: 0, unknown: 1, good: 2 };

const merge = (group: ConditionGroup, { cluster, fresh }: PolicyInCluster, condition: Condition): ConditionGroup => ({
  ...group,
  messagesDiffer: group.messagesDiffer || group.message !== condition.message,
  clusters: [...group.clusters, cluster],
  stale: group.stale + (fresh ? 0 : 1),
  since: Date.parse(condition.lastTransitionTime) > Date.parse(group.since) ? condition.lastTransitionTime : group.since,
});

const begin = ({ type, status, reason, message, lastTransitionTime }: Condition): ConditionGroup => ({
  type,
  status,
  reason,
  message,
  messagesDiffer: false,
  clusters: [],
  stale: 0,
  since: lastTransitionTime,
  verdict: verdictOf({ type, status }),
});

/** Conditions of a policy over all clusters: what needs a look first, then by type, those of most clusters first. */
export const groupConditions = (clusters: readonly PolicyInCluster[]): ConditionGroup[] => {
  const groups = new Map<string, ConditionGroup>();
  for (const row of clusters) {
    for (const condition of row.report?.conditions ?? []) {
      const key = [condition.type, condition.status, condition.reason].join('\n');
      groups.set(key, merge(groups.get(key) ?? begin(condition), row, condition));
    }
  }
  return [...groups.values()].toSorted(
    (a, b) => RANK[a.verdict] - RANK[b.verdict] || a.type.localeCompare(b.type, 'en') || b.clusters.length - a.clusters.length,
  );
};
