import type { ClusterView, ProblemView, StatusView } from '@fso/shared/api';
import { count } from '../../components/count.ts';
import { certificateState } from '../clusters/certificate.ts';
import { isRefusing } from '../clusters/cluster-sync.ts';

/** What somebody should look at first. */

export type Target =
  | {
      readonly page: 'policies';
      readonly search: { readonly phase?: 'Failed' | 'Expired'; readonly expiring?: 'true'; readonly sort?: string };
    }
  | {
      readonly page: 'clusters';
      readonly search: {
        readonly connection?: 'Disconnected' | 'NeverSeen' | 'Connected';
        readonly inSync?: 'false';
        readonly tampered?: 'true';
        readonly sort?: string;
      };
    }
  | { readonly page: 'cluster'; readonly name: string }
  | { readonly page: 'commit'; readonly revision: string };

export interface AttentionItem {
  readonly key: string;
  readonly level: 'danger' | 'warning' | 'info';
  readonly title: string;
  readonly detail?: string;
  /** Since when, RFC 3339. */
  readonly since?: string | null;
  readonly target?: Target;
}

export interface FleetFacts {
  readonly status: StatusView;
  /** Clusters that are connected and not at the commit meant for them. */
  readonly behind: readonly ClusterView[];
  /** Clusters that were tampered with. */
  readonly tampered: readonly ClusterView[];
  /** Clusters whose certificates end first. */
  readonly certificates: readonly ClusterView[];
  /** When the stale cluster that is silent for longest was last heard of. */
  readonly oldestStale: string | null;
}

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

const namesOf = (clusters: readonly ClusterView[]): string => {
  const names = clusters.slice(0, FEW).map(({ name }) => name);
  const more = clusters.length - names.length;
  return more === 0 ? names.join(', ') : `${names.join(', ')} and ${more} more`;
};

const sourceItems = ({ status: { source } }: FleetFacts): AttentionItem[] => [
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

const refusalItems = ({ behind }: FleetFacts): AttentionItem[] => {
  const refusing = behind.filter(isRefusing);
  if (refusing.length > FEW) {
    return [
      {
        key: 'refusals',
        level: 'danger',
        title: `${refusing.length} clusters refused the commit that they were offered`,
        detail: namesOf(refusing),
        target: { page: 'clusters', search: { connection: 'Connected', inSync: 'false' } },
      },
    ];
  }
  return refusing.map(({ name, nack }) => ({
    key: `refusal ${name}`,
    level: 'danger',
    title: `Cluster ${name} refused commit ${nack?.revision.slice(0, 8)} and keeps the one before`,
    detail: andMore(nack?.reasons ?? []),
    since: nack?.time ?? null,
    target: { page: 'cluster', name },
  }));
};

const policyItems = ({ status: { policies } }: FleetFacts): AttentionItem[] =>
  policies.failed === 0
    ? []
    : [
        {
          key: 'failed',
          level: 'danger',
          title: `${count(policies.failed, 'policy is', 'policies are')} not enforced as ${policies.failed === 1 ? 'it' : 'they'} should be`,
          target: { page: 'policies', search: { phase: 'Failed' } },
        },
      ];

const tamperItems = ({ status: { clusters }, tampered }: FleetFacts): AttentionItem[] =>
  clusters.tampered === 0
    ? []
    : [
        {
          key: 'tampered',
          level: 'danger',
          title: `In ${count(clusters.tampered, 'cluster')} somebody changed what the locks stand on; it was put back`,
          detail:
            tampered.length === 0
              ? 'Within an hour before the last report.'
              : `${namesOf(tampered)}, within an hour before the last report.`,
          target: { page: 'clusters', search: { tampered: 'true' } },
        },
      ];

const expiryItems = ({ status: { policies } }: FleetFacts): AttentionItem[] => [
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

const connectionItems = ({ status: { clusters }, oldestStale }: FleetFacts): AttentionItem[] => [
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

const certificateItems = ({ certificates }: FleetFacts, nowMs: number): AttentionItem[] => {
  const bad = certificates.filter(({ certificateExpires }) => ['late', 'expired'].includes(certificateState(certificateExpires, nowMs)));
  if (bad.length === 0) return [];
  return [
    {
      key: 'certificates',
      level: 'warning',
      title: `${count(bad.length, 'cluster has a certificate', 'clusters have certificates')} that ended or should have been renewed by now`,
      detail: namesOf(bad),
      target: { page: 'clusters', search: { sort: 'certificate' } },
    },
  ];
};

const RANK: Readonly<Record<AttentionItem['level'], number>> = { danger: 0, warning: 1, info: 2 };

/** @returns the worst first */
export const attentionItems = (facts: FleetFacts, nowMs: number): AttentionItem[] =>
  [
    ...sourceItems(facts),
    ...refusalItems(facts),
    ...policyItems(facts),
    ...tamperItems(facts),
    ...expiryItems(facts),
    ...connectionItems(facts),
    ...certificateItems(facts, nowMs),
  ].toSorted((a, b) => RANK[a.level] - RANK[b.level]);
