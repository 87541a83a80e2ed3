import type { ClusterView, ProblemView, StatusView } from '@fso/shared/api';
import { count, formatNumber } from '../lib/format.ts';
import { certificateState } from '../lib/health.ts';

/** What somebody should look at first. */

export type IssueTarget =
  | {
      readonly page: 'policies';
      readonly search: { readonly phase?: 'Failed' | 'Pending' | 'Expired'; readonly expiring?: 'true'; readonly sort?: string };
    }
  | {
      readonly page: 'clusters';
      readonly search: {
        readonly connection?: 'Disconnected' | 'NeverSeen' | 'Connected';
        readonly inSync?: 'false';
        readonly tampered?: 'true';
        readonly refusing?: 'true';
        readonly locksReady?: 'false';
        readonly sort?: string;
      };
    }
  | { readonly page: 'compliance'; readonly search: { readonly action?: 'deny' } }
  | { readonly page: 'verification' }
  | { readonly page: 'cluster'; readonly name: string }
  | { readonly page: 'commit'; readonly revision: string };

export interface Issue {
  readonly key: string;
  readonly level: 'danger' | 'warning' | 'info';
  readonly title: string;
  readonly detail?: string;
  /** Since when, RFC 3339. */
  readonly since?: string | null;
  readonly target?: IssueTarget;
}

/** Clusters that are alike in something: the first, and how many there are. */
export interface ClusterSample {
  readonly items: readonly ClusterView[];
  readonly total: number;
}

/** Of what has not been read nothing is said: see {@link readingOf}. */
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
  /** When the stale cluster that is silent for longest was last heard of. */
  readonly oldestStale: string | null;
}

/** Whether all that attention is asked for by was read: only then does it mean something that there is nothing. */
export type Reading = 'complete' | 'pending' | 'failed';

export const readingOf = (queries: readonly { readonly status: 'success' | 'pending' | 'error' }[]): Reading => {
  if (queries.some(({ status }) => status === 'error')) return 'failed';
  return queries.every(({ status }) => status === 'success') ? 'complete' : 'pending';
};

/** More of one kind are one line. */
const FEW = 3;

/** @returns `policies/a.yaml:12: reason` */
export const problemText = ({ path, line, reason }: ProblemView): string => {
  if (path === undefined) return reason;
  return line === undefined ? `${path}: ${reason}` : `${path}:${line}: ${reason}`;
};

const andMore = (problems: readonly ProblemView[]): string => {
  const [first] = problems;
  if (first === undefined) return 'No reason was given.';
  return problems.length === 1 ? problemText(first) : `${problemText(first)} (and ${problems.length - 1} more)`;
};

const namesOf = ({ items, total }: ClusterSample): string => {
  const names = items.slice(0, FEW).map(({ name }) => name);
  const more = total - names.length;
  return more === 0 ? names.join(', ') : `${names.join(', ')} and ${formatNumber(more)} more`;
};

const sourceItems = ({ status: { source } }: FleetState): Issue[] => [
  ...(source.error === null
    ? []
    : [
        {
          key: 'source-error',
          level: 'danger' as const,
          title: 'The repository cannot be read: new commits do not arrive',
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
          title: `Commit ${source.rejected.commit.revision.slice(0, 8)} was rejected, the one before stays in force`,
          detail: andMore(source.rejected.problems),
          target: { page: 'commit' as const, revision: source.rejected.commit.revision },
        },
      ]),
];

const auditItems = ({ isAuditIntact }: FleetState): Issue[] =>
  isAuditIntact === false
    ? [{ key: 'audit', level: 'danger', title: 'The audit log is not as its hashes and checkpoints say', target: { page: 'verification' } }]
    : [];

const deniedText = (denied: number): string =>
  `${formatNumber(denied)} of those that agents name ${denied === 1 ? 'is' : 'are'} of policies that deny.`;

/** Each policy that is violated names some: where none is of a policy that denies, there is none. */
const violationItems = ({ status: { violations }, denied }: FleetState): Issue[] => {
  if (violations === 0) return [];
  const title = `${count(violations, 'violation')}: ${violations === 1 ? 'a workload is' : 'workloads are'} outside of the allowed regions`;
  const key = 'violations';
  if (denied === undefined) return [{ key, level: 'danger', title, target: { page: 'compliance', search: {} } }];
  if (denied === 0)
    return [{ key, level: 'warning', title, detail: 'None is of a policy that denies.', target: { page: 'compliance', search: {} } }];
  return [{ key, level: 'danger', title, detail: deniedText(denied), target: { page: 'compliance', search: { action: 'deny' } } }];
};

const refusalItems = ({ refusing }: FleetState): Issue[] => {
  if (refusing.total > FEW) {
    return [
      {
        key: 'refusals',
        level: 'danger',
        title: `${formatNumber(refusing.total)} clusters refused the commit that they were offered`,
        detail: namesOf(refusing),
        target: { page: 'clusters', search: { refusing: 'true' } },
      },
    ];
  }
  return refusing.items.map(({ name, nack }) => ({
    key: `refusal ${name}`,
    level: 'danger',
    title: `Cluster ${name} refused commit ${nack?.revision.slice(0, 8)} and keeps the one before`,
    detail: andMore(nack?.reasons ?? []),
    since: nack?.time ?? null,
    target: { page: 'cluster', name },
  }));
};

const policyItems = ({ status: { policies } }: FleetState): Issue[] => [
  ...(policies.failed === 0
    ? []
    : [
        {
          key: 'failed',
          level: 'danger' as const,
          title: `${count(policies.failed, 'policy is', 'policies are')} not enforced as ${policies.failed === 1 ? 'it' : 'they'} should be`,
          target: { page: 'policies' as const, search: { phase: 'Failed' as const } },
        },
      ]),
  ...(policies.pending === 0
    ? []
    : [
        {
          key: 'pending',
          level: 'info' as const,
          title: `${count(policies.pending, 'policy is', 'policies are')} not proven, or not known, in every cluster`,
          target: { page: 'policies' as const, search: { phase: 'Pending' as const } },
        },
      ]),
];

const lockItems = ({ locksNotReady }: FleetState): Issue[] =>
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

const tamperItems = ({ status: { clusters }, tampered }: FleetState): Issue[] =>
  clusters.tampered === 0
    ? []
    : [
        {
          key: 'tampered',
          level: 'danger',
          title: `In ${count(clusters.tampered, 'cluster')} somebody changed what the locks stand on; it was put back`,
          detail:
            tampered.total === 0
              ? 'Within an hour before the last report.'
              : `${namesOf(tampered)}, within an hour before the last report.`,
          target: { page: 'clusters', search: { tampered: 'true' } },
        },
      ];

const expiryItems = ({ status: { policies } }: FleetState): Issue[] => [
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

const connectionItems = ({ status: { clusters }, oldestStale }: FleetState): Issue[] => [
  ...(clusters.disconnected === 0
    ? []
    : [
        {
          key: 'stale',
          level: 'warning' as const,
          title: `${count(clusters.disconnected, 'cluster is', 'clusters are')} not connected: what is shown of ${clusters.disconnected === 1 ? 'it' : 'them'} is old`,
          detail: clusters.disconnected === 1 ? 'Last heard of' : 'The longest silent was last heard of',
          since: oldestStale,
          target: { page: 'clusters' as const, search: { connection: 'Disconnected' as const, sort: 'seen' } },
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

const certificateItems = ({ certificates: { items, total } }: FleetState, nowMs: number): Issue[] => {
  const bad = items.filter(({ certificateExpires }) => ['late', 'expired'].includes(certificateState(certificateExpires, nowMs)));
  if (bad.length === 0) return [];
  const mayBeMore = bad.length === items.length && items.length < total;
  return [
    {
      key: 'certificates',
      level: 'warning',
      title: `${mayBeMore ? 'At least ' : ''}${count(bad.length, 'cluster has a certificate', 'clusters have certificates')} that ended or should have been renewed by now`,
      detail: namesOf({ items: bad, total: bad.length }),
      target: { page: 'clusters', search: { sort: 'certificate' } },
    },
  ];
};

const RANK: Readonly<Record<Issue['level'], number>> = { danger: 0, warning: 1, info: 2 };

/** @returns the worst first */
export const listFleetIssues = (facts: FleetState, nowMs: number): Issue[] =>
  [
    ...sourceItems(facts),
    ...auditItems(facts),
    ...tamperItems(facts),
    ...refusalItems(facts),
    ...policyItems(facts),
    ...violationItems(facts),
    ...lockItems(facts),
    ...expiryItems(facts),
    ...connectionItems(facts),
    ...certificateItems(facts, nowMs),
  ].toSorted((a, b) => RANK[a.level] - RANK[b.level]);
