import { ALERT_SEVERITIES, type AlertLabels, type AlertName, type AlertSeverity } from '@fso/shared/api';
import { listText } from '@fso/shared/text';

/**
 * Something that is wrong with the hub, a cluster or a policy now. If it lasts, it becomes an
 * alert.
 */
export interface Issue {
  readonly alert: AlertName;
  readonly severity: AlertSeverity;
  readonly labels: AlertLabels;
  /**
   * Description for people, with values that clusters chose: to be escaped wherever it is shown.
   */
  readonly problem: string;
  /** RFC 3339; null: not known. */
  readonly since: string | null;
  /**
   * Whether the issue is known to persist. False if its cluster is not connected or not observed:
   * the issue may have ended since, and another one may have begun.
   */
  readonly isCurrent: boolean;
  /** Workloads or nodes that it is about. */
  readonly count?: number;
  /** Id of the commit that it is about. */
  readonly revision?: string;
}

/** Whether an issue already has an alert of its own, firing or pending. */
export type IsNamed = (issue: Issue) => boolean;

/** Issues of the fleet now. An absent part is unknown, so alerts about it continue to fire. */
export interface CurrentIssues {
  readonly hub: readonly Issue[];
  /** Issues of the audit log, which takes a while to verify. */
  readonly audit?: readonly Issue[];
  readonly policies?: readonly Issue[];
  /** Issues by cluster, each list bounded by {@link boundIssues}. */
  readonly clusters?: ReadonlyMap<string, readonly Issue[]>;
  /** Clusters whose issues are not known yet. */
  readonly unknown?: ReadonlySet<string>;
  /**
   * Clusters whose agents cannot observe them now: issues that they no longer report may persist.
   */
  readonly notObserved?: ReadonlySet<string>;
  /**
   * Clusters whose workloads at risk are not known, and policies, as `cluster/policy`, whose risks
   * no dry run has shown yet.
   */
  readonly risksUnknown?: ReadonlySet<string>;
  /** Clusters of which it is not known what lock 1 refuses. */
  readonly denialsUnknown?: ReadonlySet<string>;
}

/**
 * Most issues of one severity that become alerts of their own in one cluster. More of them have one
 * cause.
 */
export const NAMED_PER_CLUSTER = 10;

const tallyText = (issues: readonly Issue[]): string => {
  const counts = new Map<AlertName, number>();
  for (const { alert } of issues) counts.set(alert, (counts.get(alert) ?? 0) + 1);
  return listText([...counts].map(([alert, count]) => `${count} ${alert}`));
};

/**
 * Bounds the issues of one cluster to {@link NAMED_PER_CLUSTER} of each severity. Issues that have
 * alerts already take precedence. The rest is counted in one more issue.
 *
 * @param labels of the cluster
 */
export const boundIssues = (issues: readonly Issue[], labels: AlertLabels, isNamed: IsNamed): readonly Issue[] => {
  if (issues.length <= NAMED_PER_CLUSTER) return issues;
  return ALERT_SEVERITIES.flatMap((severity) => {
    const alike = issues.filter((issue) => issue.severity === severity);
    if (alike.length <= NAMED_PER_CLUSTER) return alike;
    const named = alike.filter(isNamed).slice(0, NAMED_PER_CLUSTER);
    const others = alike.filter((issue) => !named.includes(issue));
    const more = others.splice(NAMED_PER_CLUSTER - named.length);
    if (more.length === 0) return [...named, ...others];
    const rest: Issue = {
      alert: 'MoreAlerts',
      severity,
      labels,
      problem: `And ${more.length} more: ${tallyText(more)}.`,
      since: null,
      isCurrent: more.some(({ isCurrent }) => isCurrent),
    };
    return [...named, ...others, rest];
  });
};
