import { type ClusterView, CONDITIONS, type Condition } from '@fso/shared/api';
import { notKeptText } from '@fso/shared/text';
import { formatNumber } from '../lib/format.ts';
import { certificateState, isRefusing, isRetired, isSkewed, skewText, verdictOf } from '../lib/health.ts';
import { type Issue, sortIssues } from './issue.ts';

const TITLES: Readonly<Record<string, string>> = {
  [CONDITIONS.tampered]: 'Objects of the locks were changed within the last hour; the agent restored them',
  [CONDITIONS.floorReady]: 'Lock 1 is not ready in this cluster',
  [CONDITIONS.guardReady]: 'The guard is not ready: others than the agent may be able to change the objects of the locks',
};

const conditionIssue = (condition: Condition): Issue[] => {
  const { type, reason, message, lastTransitionTime } = condition;
  const title = TITLES[type];
  if (title === undefined || verdictOf(condition) !== 'bad') return [];
  return [{ key: type, level: 'danger', title, detail: message === '' ? reason : message, since: lastTransitionTime }];
};

const conditionIssues = ({ report }: ClusterView): Issue[] => {
  const issues = (report?.conditions ?? []).flatMap(conditionIssue);
  // Tampering comes first: an attack may be going on.
  return issues.sort((a, b) => Number(b.key === CONDITIONS.tampered) - Number(a.key === CONDITIONS.tampered));
};

const verificationIssue = ({ report }: ClusterView): Issue[] =>
  report?.verification === 'failed'
    ? [
        {
          key: 'verification',
          level: 'danger',
          title: 'The agent accepted a commit with a bad signature (FSO_VERIFY=warn)',
          detail: report.verificationReason ?? '',
          since: null,
        },
      ]
    : [];

const refusalIssue = (cluster: ClusterView): Issue[] =>
  isRefusing(cluster) && cluster.nack !== null
    ? [
        {
          key: 'refusal',
          level: 'danger',
          title: 'The agent refused the commit offered to it',
          detail: 'The last good commit stays in force there.',
          since: cluster.nack.time,
        },
      ]
    : [];

const gatekeeperIssue = ({ report }: ClusterView): Issue[] => {
  if (report === null || report.gatekeeper.state === 'Ready') return [];
  const title =
    report.gatekeeper.state === 'Absent'
      ? 'Gatekeeper is not installed: lock 2 is missing'
      : 'Gatekeeper is not ready: lock 2 is not proven';
  return [{ key: 'gatekeeper', level: 'warning', title, detail: report.gatekeeper.message ?? '', since: null }];
};

const certificateIssue = ({ certificateExpires }: ClusterView, nowMs: number): Issue[] => {
  const state = certificateState(certificateExpires, nowMs);
  if (state === 'expired')
    return [
      {
        key: 'certificate',
        level: 'danger',
        title: 'The certificate of the agent has expired',
        detail: 'The agent renews it within 30 days once it reaches the hub; after that it needs a new enrolment token.',
        since: certificateExpires,
      },
    ];
  if (state === 'late')
    return [
      {
        key: 'certificate',
        level: 'warning',
        title: 'The certificate of the agent expires soon',
        detail: 'Its renewal is overdue: check the log of the agent.',
        since: null,
      },
    ];
  return [];
};

const skewIssue = ({ clockSkewMs }: ClusterView): Issue[] =>
  isSkewed(clockSkewMs)
    ? [
        {
          key: 'skew',
          level: 'warning',
          title: 'The clock of the agent is wrong',
          detail: `It is ${skewText(clockSkewMs)}; reported times and expiry dates are wrong by as much.`,
          since: null,
        },
      ]
    : [];

const nodesIssue = ({ report }: ClusterView): Issue[] => {
  const nodes = report?.nodesByRegion[''] ?? 0;
  if (nodes === 0) return [];
  const title = nodes === 1 ? '1 node has no region' : `${formatNumber(nodes)} nodes have no region`;
  return [
    {
      key: 'nodes',
      level: 'warning',
      title,
      detail: 'Their label topology.kubernetes.io/region is missing. Pods that a deny policy governs cannot be bound there.',
      since: null,
    },
  ];
};

const registrationIssue = (cluster: ClusterView): Issue[] =>
  cluster.regions.length > 0
    ? []
    : [
        {
          key: 'registration',
          level: 'warning',
          title: 'The cluster is not registered in Git',
          detail: isRetired(cluster)
            ? 'It is not connected either, so the fleet is counted without it, and this page shows its last report. An administrator can remove it with Forget.'
            : 'No policy of the repository applies to it. Commit a ManagedCluster for it, or revoke it.',
          since: null,
        },
      ];

const keepIssue = ({ notKept }: ClusterView): Issue[] =>
  notKept === null
    ? []
    : [
        {
          key: 'not-kept',
          level: 'warning',
          title: 'The list of policies is not whole',
          detail: `${notKeptText(notKept)} The cluster enforces all of them.`,
          since: null,
        },
      ];

/** Dangers first. */
export const listClusterIssues = (cluster: ClusterView, nowMs: number): Issue[] => {
  const all = [
    ...conditionIssues(cluster),
    ...verificationIssue(cluster),
    ...refusalIssue(cluster),
    ...certificateIssue(cluster, nowMs),
    ...gatekeeperIssue(cluster),
    ...nodesIssue(cluster),
    ...skewIssue(cluster),
    ...registrationIssue(cluster),
    ...keepIssue(cluster),
  ];
  return sortIssues(all);
};
