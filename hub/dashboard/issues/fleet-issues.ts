import type { ClusterView, ProblemView, StatusView } from '@fso/shared/api';
import { shortRevision } from '@fso/shared/text';
import { count, formatNumber, formatProblem } from '../lib/format.ts';
import { certificateState } from '../lib/health.ts';
import { type Issue, sortIssues } from './issue.ts';

/** Clusters that are alike in something: the first, and how many there are. */
export interface ClusterSample {
  readonly items: readonly ClusterView[];
  readonly total: number;
}

/** The parts that are not read yet raise no issue: see {@link readingOf}. */
export interface FleetState {
  readonly status: StatusView;
  /** Clusters whose agent stands by its refusal. */
  readonly refusing: ClusterSample;
  /** Clusters that were tampered with. */
  readonly tampered: ClusterSample;
  /** Clusters whose lock 1, guard or Gatekeeper is not ready, as last reported. */
  readonly locksNotReady: ClusterSample;
  /** All clusters, those whose certificates end first before the others. */
  readonly certificates: ClusterSample;
  /** Named violations of policies that deny; undefined: not known. */
  readonly denied: number | undefined;
  /** Whether the hub finds its audit log intact; undefined: not known. */
  readonly isAuditIntact: boolean | undefined;
  /** When the least recently seen of the stale clusters was last seen. */
  readonly oldestStale: string | null;
}

/** Whether every part of the fleet's state was read: only then does an empty list mean that all is well. */
export type Reading = 'complete' | 'pending' | 'failed';

export const readingOf = (queries: readonly { readonly status: 'success' | 'pending' | 'error' }[]): Reading => {
  if (queries.some(({ status }) => status === 'error')) return 'failed';
  return queries.every(({ status }) => status === 'success') ? 'complete' : 'pending';
};

/** More of one kind are one line. */
const FEW = 3;

const andMore = (problems: readonly ProblemView[]): string => {
  const [first] = problems;
  if (first === undefined) return 'No reason was given.';
  return problems.length === 1 ? formatProblem(first) : `${formatProblem(first)} (and ${problems.length - 1} more)`;
};

const namesOf = ({ items, total }: ClusterSample): string => {
  const names = items.slice(0, FEW).map(({ name }) => name);
  const more = total - names.length;
  return more === 0 ? names.join(', ') : `${names.join(', ')} and ${formatNumber(more)} more`;
};

const sourceIssues = ({ status: { source } }: FleetState): Issue[] => [
  ...(source.error === null
    ? []
    : [
        {
          key: 'source-error',
          level: 'danger' as const,
          title: 'The hub cannot read the repository: new commits do not arrive',
          detail: source.error.message,
          since: source.error.since,
        },
      ]),
  ...(source.rejected === null
    ? []
    : [
        {
          key: 'rejected',
          level: 'danger' as const,
          title: `Commit ${shortRevision(source.rejected.commit.revision)} was rejected; the previous one stays in force`,
          detail: andMore(source.rejected.problems),
          target: { page: 'commit' as const, revision: source.rejected.commit.revision },
        },
      ]),
];

const auditIssues = ({ isAuditIntact }: FleetState): Issue[] =>
  isAuditIntact === false
    ? [{ key: 'audit', level: 'danger', title: 'The audit log contradicts its hashes or checkpoints', target: { page: 'verification' } }]
    : [];

const deniedText = (denied: number): string =>
  `${formatNumber(denied)} of the listed violations ${denied === 1 ? 'breaks' : 'break'} a deny policy.`;

/** Each policy that is violated names some: where none is of a policy that denies, there is none. */
const violationIssues = ({ status: { violations }, denied }: FleetState): Issue[] => {
  if (violations === 0) return [];
  const title = `${count(violations, 'violation')}: ${violations === 1 ? 'a workload is' : 'workloads are'} outside the allowed regions`;
  const key = 'violations';
  if (denied === undefined) return [{ key, level: 'danger', title, target: { page: 'compliance', search: {} } }];
  if (denied === 0)
    return [{ key, level: 'warning', title, detail: 'None of them breaks a deny policy.', target: { page: 'compliance', search: {} } }];
  return [{ key, level: 'danger', title, detail: deniedText(denied), target: { page: 'compliance', search: { action: 'deny' } } }];
};

const refusalIssues = ({ refusing }: FleetState): Issue[] => {
  if (refusing.total > FEW) {
    return [
      {
        key: 'refusals',
        level: 'danger',
        title: `${formatNumber(refusing.total)} clusters refused the commit offered to them`,
        detail: namesOf(refusing),
        target: { page: 'clusters', search: { refusing: 'true' } },
      },
    ];
  }
  return refusing.items.map(({ name, nack }) => ({
    key: `refusal ${name}`,
    level: 'danger',
    title: `Cluster ${name} refused commit ${shortRevision(nack?.revision)} and keeps the previous one`,
    detail: andMore(nack?.reasons ?? []),
    since: nack?.time ?? null,
    target: { page: 'cluster', name },
  }));
};

const policyIssues = ({ status: { policies } }: FleetState): Issue[] => [
  ...(policies.failed === 0
    ? []
    : [
        {
          key: 'failed',
          level: 'danger' as const,
          title: `${count(policies.failed, 'policy is', 'policies are')} not enforced in every cluster`,
          target: { page: 'policies' as const, search: { phase: 'Failed' as const } },
        },
      ]),
  ...(policies.pending === 0
    ? []
    : [
        {
          key: 'pending',
          level: 'info' as const,
          title: `${count(policies.pending, 'policy is', 'policies are')} not yet proven in every cluster`,
          target: { page: 'policies' as const, search: { phase: 'Pending' as const } },
        },
      ]),
];

const lockIssues = ({ locksNotReady }: FleetState): Issue[] =>
  locksNotReady.total === 0
    ? []
    : [
        {
          key: 'locks',
          level: 'warning',
          title: `In ${count(locksNotReady.total, 'cluster')} lock 1, its guard or Gatekeeper is not ready`,
          detail: `${namesOf(locksNotReady)}, as last reported.`,
          target: { page: 'clusters', search: { locksReady: 'false' } },
        },
      ];

const tamperIssues = ({ status: { clusters }, tampered }: FleetState): Issue[] =>
  clusters.tampered === 0
    ? []
    : [
        {
          key: 'tampered',
          level: 'danger',
          title: `In ${count(clusters.tampered, 'cluster')} objects of the locks were changed and restored`,
          detail:
            tampered.total === 0
              ? 'Within an hour before the last report.'
              : `${namesOf(tampered)}, within an hour before the last report.`,
          target: { page: 'clusters', search: { tampered: 'true' } },
        },
      ];

const expiryIssues = ({ status: { policies } }: FleetState): Issue[] => [
  ...(policies.expiring === 0
    ? []
    : [
        {
          key: 'expiring',
          level: 'warning' as const,
          title: `${count(policies.expiring, 'policy expires', 'policies expire')} within 14 days`,
          target: { page: 'policies' as const, search: { expiring: 'true' as const, sort: 'expiry' } },
        },
      ]),
  ...(policies.expired === 0
    ? []
    : [
        {
          key: 'expired',
          level: 'info' as const,
          title: `${count(policies.expired, 'policy has', 'policies have')} expired and no longer ${policies.expired === 1 ? 'governs' : 'govern'}`,
          target: { page: 'policies' as const, search: { phase: 'Expired' as const } },
        },
      ]),
];

const connectionIssues = ({ status: { clusters }, oldestStale }: FleetState): Issue[] => [
  ...(clusters.disconnected === 0
    ? []
    : [
        {
          key: 'stale',
          level: 'warning' as const,
          title: `${count(clusters.disconnected, 'cluster is', 'clusters are')} not connected; ${clusters.disconnected === 1 ? 'its' : 'their'} state is as last reported`,
          detail: clusters.disconnected === 1 ? 'Last seen' : 'Least recently seen',
          since: oldestStale,
          target: { page: 'clusters' as const, search: { connection: 'Disconnected' as const, sort: 'seen' } },
        },
      ]),
  ...(clusters.notObserved === 0
    ? []
    : [
        {
          key: 'not-observed',
          level: 'warning' as const,
          title: `${count(clusters.notObserved, 'cluster is', 'clusters are')} connected and not observed; nothing counts as proven there`,
          target: { page: 'clusters' as const, search: { observed: 'false' as const } },
        },
      ]),
  ...(clusters.notAllKept === 0
    ? []
    : [
        {
          key: 'not-kept',
          level: 'warning' as const,
          title: `The hub does not keep all policies of ${count(clusters.notAllKept, 'cluster', 'clusters')}`,
          target: { page: 'clusters' as const, search: {} },
        },
      ]),
  ...(clusters.neverSeen === 0
    ? []
    : [
        {
          key: 'never-seen',
          level: 'info' as const,
          title: `${count(clusters.neverSeen, 'registered cluster has', 'registered clusters have')} never connected`,
          target: { page: 'clusters' as const, search: { connection: 'NeverSeen' as const } },
        },
      ]),
];

const certificateIssues = ({ certificates: { items, total } }: FleetState, nowMs: number): Issue[] => {
  const bad = items.filter(({ certificateExpires }) => ['late', 'expired'].includes(certificateState(certificateExpires, nowMs)));
  if (bad.length === 0) return [];
  const mayBeMore = bad.length === items.length && items.length < total;
  return [
    {
      key: 'certificates',
      level: 'warning',
      title: `${mayBeMore ? 'At least ' : ''}${count(bad.length, 'cluster has a certificate that has', 'clusters have certificates that have')} expired or should have been renewed`,
      detail: namesOf({ items: bad, total: bad.length }),
      target: { page: 'clusters', search: { sort: 'certificate' } },
    },
  ];
};

/** @returns the worst first */
export const listFleetIssues = (facts: FleetState, nowMs: number): Issue[] =>
  sortIssues([
    ...sourceIssues(facts),
    ...auditIssues(facts),
    ...tamperIssues(facts),
    ...refusalIssues(facts),
    ...policyIssues(facts),
    ...violationIssues(facts),
    ...lockIssues(facts),
    ...expiryIssues(facts),
    ...connectionIssues(facts),
    ...certificateIssues(facts, nowMs),
  ]);
