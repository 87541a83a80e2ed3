import { type ClusterView, CONDITIONS, type Condition } from '@fso/shared/api';
import { formatNumber } from '../lib/format.ts';
import { certificateState, isRefusing, isRetired, isSkewed, skewText, verdictOf } from '../lib/health.ts';

/** What somebody should look at in a cluster, beyond its policies. */
export interface ClusterIssue {
  /** Unique within a cluster. */
  readonly kind: string;
  readonly level: 'danger' | 'warning';
  readonly title: string;
  readonly detail: string;
  /** RFC 3339; null: not known. */
  readonly since: string | null;
}

const TITLES: Readonly<Record<string, string>> = {
  [CONDITIONS.tampered]: 'Somebody changed what the locks stand on, within the last hour; it was put back',
  [CONDITIONS.floorReady]: 'Lock 1 is not ready in this cluster',
  [CONDITIONS.guardReady]: 'The guard is not in place: others than the agent may change what the locks stand on',
};

const conditionConcern = (condition: Condition): ClusterIssue[] => {
  const { type, reason, message, lastTransitionTime } = condition;
  const title = TITLES[type];
  if (title === undefined || verdictOf(condition) !== 'bad') return [];
  return [{ kind: type, level: 'danger', title, detail: message === '' ? reason : message, since: lastTransitionTime }];
};

const conditionConcerns = ({ report }: ClusterView): ClusterIssue[] => {
  const concerns = (report?.conditions ?? []).flatMap(conditionConcern);
  // Tampering before everything: somebody is at work there.
  return concerns.sort((a, b) => Number(b.kind === CONDITIONS.tampered) - Number(a.kind === CONDITIONS.tampered));
};

const verificationConcern = ({ report }: ClusterView): ClusterIssue[] =>
  report?.verification === 'failed'
    ? [
        {
          kind: 'verification',
          level: 'danger',
          title: 'The agent took a commit whose signature it found bad (FSO_VERIFY=warn)',
          detail: report.verificationReason ?? '',
          since: null,
        },
      ]
    : [];

const refusalConcern = (cluster: ClusterView): ClusterIssue[] =>
  isRefusing(cluster) && cluster.nack !== null
    ? [
        {
          kind: 'refusal',
          level: 'danger',
          title: 'The agent refused the commit that it was offered',
          detail: 'The last good one stays in force there.',
          since: cluster.nack.time,
        },
      ]
    : [];

const gatekeeperConcern = ({ report }: ClusterView): ClusterIssue[] => {
  if (report === null || report.gatekeeper.state === 'Ready') return [];
  const title =
    report.gatekeeper.state === 'Absent'
      ? 'Gatekeeper is not installed: lock 2 is missing'
      : 'Gatekeeper is not ready: lock 2 is not proven';
  return [{ kind: 'gatekeeper', level: 'warning', title, detail: report.gatekeeper.message ?? '', since: null }];
};

const certificateConcern = ({ certificateExpires }: ClusterView, nowMs: number): ClusterIssue[] => {
  const state = certificateState(certificateExpires, nowMs);
  if (state === 'expired')
    return [
      {
        kind: 'certificate',
        level: 'danger',
        title: 'The certificate of the agent has expired',
        detail: 'It renews it by itself within 30 days once it reaches the hub; else it needs a new enrolment token.',
        since: certificateExpires,
      },
    ];
  if (state === 'late')
    return [
      {
        kind: 'certificate',
        level: 'warning',
        title: 'The certificate of the agent runs out soon',
        detail: 'It should have been renewed by now: look into the log of the agent.',
        since: null,
      },
    ];
  return [];
};

const skewConcern = ({ clockSkewMs }: ClusterView): ClusterIssue[] =>
  isSkewed(clockSkewMs)
    ? [
        {
          kind: 'skew',
          level: 'warning',
          title: 'The clock of the agent is off',
          detail: `It is ${skewText(clockSkewMs)}: times that it reports, and expiry dates, are off by as much.`,
          since: null,
        },
      ]
    : [];

const nodesConcern = ({ report }: ClusterView): ClusterIssue[] => {
  const nodes = report?.nodesByRegion[''] ?? 0;
  if (nodes === 0) return [];
  const title = nodes === 1 ? '1 node has no region' : `${formatNumber(nodes)} nodes have no region`;
  return [
    {
      kind: 'nodes',
      level: 'warning',
      title,
      detail: 'Pods that a policy denies to leave its regions cannot be bound there. The label topology.kubernetes.io/region is missing.',
      since: null,
    },
  ];
};

const registrationConcern = (cluster: ClusterView): ClusterIssue[] =>
  cluster.regions.length > 0
    ? []
    : [
        {
          kind: 'registration',
          level: 'warning',
          title: 'The cluster is not registered in Git',
          detail: isRetired(cluster)
            ? 'It is not connected either, so it counts for nothing: what is shown is its last report. An administrator can have the hub forget it.'
            : 'No policy of the repository is meant for it. Commit a ManagedCluster for it, or revoke it.',
          since: null,
        },
      ];

/** Dangers first. */
export const listClusterIssues = (cluster: ClusterView, nowMs: number): ClusterIssue[] => {
  const all = [
    ...conditionConcerns(cluster),
    ...verificationConcern(cluster),
    ...refusalConcern(cluster),
    ...certificateConcern(cluster, nowMs),
    ...gatekeeperConcern(cluster),
    ...nodesConcern(cluster),
    ...skewConcern(cluster),
    ...registrationConcern(cluster),
  ];
  return [...all.filter(({ level }) => level === 'danger'), ...all.filter(({ level }) => level === 'warning')];
};
