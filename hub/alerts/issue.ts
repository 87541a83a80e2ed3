import { ALERT_SEVERITIES, type AlertLabels, type AlertName, type AlertSeverity } from '@fso/shared/api';
import { listText } from '@fso/shared/text';

/**
 * Something that is wrong with the hub, a cluster or a policy now. One that lasts becomes an alert.
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
   * Whether it is known to hold now; false: reported by a cluster that is not connected or not
   * observed. It may have ended since, and another one may have begun.
   */
  readonly isCurrent: boolean;
  /** Workloads or nodes that it is about. */
  readonly count?: number;
  /** Id of the commit that it is about. */
  readonly revision?: string;
}

/** Whether an issue is among those that are named one by one already. */
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
   * Clusters of which it is not known whom the next restart would refuse, and policies, as
   * `cluster/policy`, of which no dry run has shown it yet.
   */
  readonly risksUnknown?: ReadonlySet<string>;
  /** Clusters of which it is not known what lock 1 refuses. */
  readonly denialsUnknown?: ReadonlySet<string>;
}

/**
 * Alerts of one severity that one cluster may have by name: where there are more, they have one
 * cause.
 */
export const NAMED_PER_CLUSTER = 10;

const tallyText = (issues: readonly Issue[]): string => {
  const counts = new Map<AlertName, number>();
  for (const { alert } of issues) counts.set(alert, (counts.get(alert) ?? 0) + 1);
  return listText([...counts].map(([alert, count]) => `${count} ${alert}`));
};

/**
 * Bounds the issues of one cluster: of each severity at most {@link NAMED_PER_CLUSTER} stay, those
 * that are named already before the others, and the rest is counted in one.
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
