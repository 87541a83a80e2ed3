import type { PolicyInCluster, ReportedCondition } from '@fso/shared/api';
import { type ConditionHealth, healthOf } from '../../../lib/health.ts';

/** Condition that several clusters share. */
export interface ConditionGroup {
  readonly type: string;
  readonly status: ReportedCondition['status'];
  readonly reason: string;
  /** Message of the first cluster. */
  readonly message: string;
  /** Whether other clusters have different messages. */
  readonly messagesDiffer: boolean;
  readonly clusters: readonly string[];
  /** Number of these clusters that are not connected, so that their state is the last known one. */
  readonly stale: number;
  /** Time of the last change in any of them, RFC 3339; null if none has reported it. */
  readonly since: string | null;
  readonly health: ConditionHealth;
}

const RANK: Readonly<Record<ConditionHealth, number>> = { bad: 0, unknown: 1, good: 2 };

const laterOf = (a: string | null, b: string | null): string | null =>
  a === null || (b !== null && Date.parse(b) > Date.parse(a)) ? b : a;

const merge = (group: ConditionGroup, { cluster, fresh }: PolicyInCluster, condition: ReportedCondition): ConditionGroup => ({
  ...group,
  messagesDiffer: group.messagesDiffer || group.message !== condition.message,
  clusters: [...group.clusters, cluster],
  stale: group.stale + (fresh ? 0 : 1),
  since: laterOf(group.since, condition.lastTransitionTime ?? null),
});

const begin = ({ type, status, reason, message, lastTransitionTime }: ReportedCondition): ConditionGroup => ({
  type,
  status,
  reason,
  message,
  messagesDiffer: false,
  clusters: [],
  stale: 0,
  since: lastTransitionTime ?? null,
  health: healthOf({ type, status }),
});

/**
 * Groups the conditions of a policy in all clusters: those that need attention first, then by type,
 * then by number of clusters.
 */
export const groupConditions = (clusters: readonly PolicyInCluster[]): ConditionGroup[] => {
  const groups = new Map<string, ConditionGroup>();
  for (const row of clusters) {
    for (const condition of row.report?.conditions ?? []) {
      const key = [condition.type, condition.status, condition.reason].join('\n');
      groups.set(key, merge(groups.get(key) ?? begin(condition), row, condition));
    }
  }
  return [...groups.values()].toSorted(
    (a, b) => RANK[a.health] - RANK[b.health] || a.type.localeCompare(b.type, 'en') || b.clusters.length - a.clusters.length,
  );
};
