import {
  ALERT_SEVERITIES,
  type AlertCounts,
  type AlertSeverity,
  type AlertView,
  type AuditEntry,
  type AuditVerificationView,
  type ClusterHistoryPage,
  type ClusterPolicy,
  type ClusterView,
  type CommitActivity,
  type CommitSummary,
  type DenialGroup,
  type DenialView,
  type EventView,
  type IssueList,
  type IssueReport,
  type Page,
  type PolicyDetail,
  type PolicyHistory,
  type PolicySourceView,
  type PolicyStateView,
  type PolicySummary,
  type PolicyView,
  policyKey,
  policyPath,
  type ReceiverList,
  type RegionPage,
  type RiskGroup,
  type RiskView,
  type RolloutView,
  type SilenceList,
  type StatusView,
  type Trend,
  type ViolationGroup,
  type ViolationView,
} from '@fso/shared/api';
import type { BranchList, StoredPlanSummary, StoredPlanView } from '@fso/shared/effects/portable';
import { infiniteQueryOptions, type Query, queryOptions } from '@tanstack/react-query';
import { getAll, getJson, getWhole, type Params } from './client.ts';
import { keys } from './keys.ts';

/** Refresh of a list, which reads its first page again. */
interface Reread {
  readonly first: () => Promise<Page<unknown>>;
  /** Identity of a row. */
  readonly keyOf: (row: unknown) => string;
}

/** Adds the refresh of a list to the `meta` of its query. */
export const rereadMeta = <T>(first: () => Promise<Page<T>>, keyOf: (row: T) => string): { readonly reread: Reread } => ({
  reread: { first, keyOf: (row) => keyOf(row as T) },
});

/** Refresh that {@link rereadMeta} added to a query. */
export const rereadOf = ({ meta }: Query): Reread | undefined => meta?.['reread'] as Reread | undefined;

/**
 * Rows on one page of a list: few enough to be read again at each change, and enough to fill any
 * screen.
 */
const PAGE_ROWS = 100;

interface ListOptions<T> {
  readonly queryKey: readonly unknown[];
  readonly params?: Params;
  /** Identity of a row. */
  readonly keyOf: (row: T) => string;
}

/** Creates the query of a paged list, whose pages are read as the user scrolls. */
const listOf = <T>(path: string, { queryKey, params = {}, keyOf }: ListOptions<T>) => {
  const read = (cursor: string | null, signal?: AbortSignal): Promise<Page<T>> =>
    getJson(path, { limit: PAGE_ROWS, ...params, ...(cursor === null ? {} : { cursor }) }, signal);
  return infiniteQueryOptions({
    queryKey,
    queryFn: ({ pageParam, signal }) => read(pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page: Page<T>) => page.next,
    meta: rereadMeta(() => read(null), keyOf),
  });
};

const oneOf = <T>(path: string, queryKey: readonly unknown[], params: Params = {}) =>
  queryOptions({ queryKey, queryFn: ({ signal }) => getJson<T>(path, params, signal) });

/** Fields that identify a violation or an owner at risk. */
export type FindingRef = Pick<ViolationView, 'cluster' | 'policy' | 'namespace' | 'kind' | 'name'>;

/** Key of a finding, also used in links. */
export const findingKey = ({ cluster, policy, namespace, kind, name }: FindingRef): string =>
  [cluster, namespace, kind, name, policy].join('/');

export const statusQuery = oneOf<StatusView>('/api/v1/status', keys.status);
/** Reads all pages of the regions. */
export const regionsQuery = queryOptions({
  queryKey: keys.regions,
  queryFn: ({ signal }) => getWhole<RegionPage>('/api/v1/regions', {}, signal),
});
export const trendQuery = (hours: number) => oneOf<Trend>('/api/v1/trend', keys.trend.hours(hours), { hours });

export const policiesQuery = (params: Params) =>
  listOf<PolicySummary>('/api/v1/policy-summaries', { queryKey: keys.policies.list(params), params, keyOf: policyKey });
/** @param policy key of the policy, in all queries below */
export const policyQuery = (policy: string) =>
  queryOptions({
    queryKey: keys.policies.one(policy),
    queryFn: async ({ signal }) => {
      const read = (params: Params) => getJson<PolicyView>(`/api/v1/policies/${policyPath(policy)}`, params, signal);
      let view = await read({});
      while (view.next !== null) {
        const { clusters, next } = await read({ cursor: view.next });
        view = { ...view, clusters: [...view.clusters, ...clusters], next };
      }
      return view;
    },
  });
/** Full reports of the policy from the agents of its first clusters. */
export const policyDetailsQuery = (policy: string) =>
  oneOf<Page<PolicyDetail>>(`/api/v1/policy-details/${policyPath(policy)}`, keys.policies.details(policy));
/**
 * Reads all pages of the policies that may govern a namespace of a cluster, with the reports of
 * clusters.
 */
export const policiesOfNamespaceQuery = (cluster: string, namespace: string) => {
  const params = { cluster, namespace };
  return queryOptions({
    queryKey: keys.policies.list({ ...params, whole: true }),
    queryFn: ({ signal }) => getAll<PolicyView>('/api/v1/policies', params, signal),
  });
};
export const policySourceQuery = (policy: string) =>
  oneOf<PolicySourceView>(`/api/v1/policy-sources/${policyPath(policy)}`, keys.policyTexts.source(policy));
/** Query for the Git commits that changed the document of a policy. */
export const policyHistoryQuery = (policy: string) =>
  oneOf<PolicyHistory>(`/api/v1/policy-histories/${policyPath(policy)}`, keys.policyTexts.history(policy));

export const violationsQuery = (params: Params) =>
  listOf<ViolationView>('/api/v1/violations', { queryKey: keys.violations.list(params), params, keyOf: findingKey });
export const violationGroupsQuery = (params: Params) =>
  listOf<ViolationGroup>('/api/v1/violation-groups', { queryKey: keys.violations.groups(params), params, keyOf: ({ key }) => key });
export const risksQuery = (params: Params) =>
  listOf<RiskView>('/api/v1/risks', { queryKey: keys.risks.list(params), params, keyOf: findingKey });
/** Key of an owner whose pods were refused. */
export const denialKey = ({ cluster, namespace, kind, name }: DenialView): string => [cluster, namespace, kind, name].join('/');
export const denialsQuery = (params: Params) =>
  listOf<DenialView>('/api/v1/denials', { queryKey: keys.denials.list(params), params, keyOf: denialKey });
export const denialGroupsQuery = (params: Params) =>
  listOf<DenialGroup>('/api/v1/denial-groups', { queryKey: keys.denials.groups(params), params, keyOf: ({ key }) => key });
export const riskGroupsQuery = (params: Params) =>
  listOf<RiskGroup>('/api/v1/risk-groups', { queryKey: keys.risks.groups(params), params, keyOf: ({ key }) => key });
/**
 * Interval of reads: no event announces that a certificate expires, or that the audit log was
 * changed.
 */
const ISSUES_MS = 60_000;
/** Interval of reads while the hub has not read all its data yet. */
const INCOMPLETE_MS = 3_000;

/** Current issues in the fleet or in one cluster. */
export const issuesQuery = (params: { readonly cluster?: string } = {}) =>
  queryOptions({
    ...oneOf<IssueList>('/api/v1/issues', keys.issues.list(params), params),
    refetchInterval: ({ state: { data } }) => (data?.complete === false ? INCOMPLETE_MS : ISSUES_MS),
  });
export const issueReportQuery = oneOf<IssueReport>('/api/v1/reports/issues', keys.report, { format: 'json' });

export const clustersQuery = (params: Params) =>
  listOf<ClusterView>('/api/v1/clusters', { queryKey: keys.clusters.list(params), params, keyOf: ({ name }) => name });
export const clusterQuery = (name: string) => oneOf<ClusterView>(`/api/v1/clusters/${encodeURIComponent(name)}`, keys.clusters.one(name));
/** Policies with their state in one cluster. */
export const clusterPoliciesQuery = (name: string, params: Params) =>
  listOf<ClusterPolicy>(`/api/v1/clusters/${encodeURIComponent(name)}/policies`, {
    queryKey: keys.policies.ofCluster(name, params),
    params,
    keyOf: policyKey,
  });
/** The newest changes of a cluster, and of a policy in it. */
export const clusterHistoryQuery = (cluster: string, policy: string) => {
  const params = { policy, limit: PAGE_ROWS };
  const read = (more: Params, signal: AbortSignal): Promise<ClusterHistoryPage> =>
    getJson(`/api/v1/clusters/${encodeURIComponent(cluster)}/history`, { ...params, ...more }, signal);
  return queryOptions({
    queryKey: keys.policies.history(cluster, params),
    queryFn: async ({ signal }) => {
      let page = await read({}, signal);
      // The hub searches a limited number of changes per request, which may all be of other
      // policies.
      while (page.items.length === 0 && page.next !== null) page = await read({ cursor: page.next }, signal);
      return page;
    },
  });
};
/** State of a policy in a cluster. @param at RFC 3339 */
export const policyStateQuery = (cluster: string, policy: string, at: string) => {
  const params = { policy, at };
  return oneOf<PolicyStateView>(`/api/v1/clusters/${encodeURIComponent(cluster)}/state`, keys.policies.stateAt(cluster, params), params);
};

export const commitsQuery = listOf<CommitSummary>('/api/v1/commits', {
  queryKey: keys.commits.list,
  keyOf: ({ commit, noticed }) => `${commit.revision} ${noticed}`,
});
export const storedPlansQuery = listOf<StoredPlanSummary>('/api/v1/plans', { queryKey: keys.plans.list, keyOf: ({ id }) => id });
export const storedPlanQuery = (id: string) => oneOf<StoredPlanView>(`/api/v1/plans/${encodeURIComponent(id)}`, keys.plans.one(id));
/** Branches are read at each visit of the page, because no event announces them. */
export const branchesQuery = queryOptions({ ...oneOf<BranchList>('/api/v1/branches', keys.branches), staleTime: 0 });
export const commitQuery = (revision: string) =>
  oneOf<CommitActivity>(`/api/v1/commits/${encodeURIComponent(revision)}`, keys.commits.one(revision));

/** Intervals of reads: no event announces the end of a soak, or a pause by another user. */
const ROLLOUT_MS = { busy: 2_000, idle: 15_000 };

export const rolloutQuery = queryOptions({
  ...oneOf<RolloutView>('/api/v1/rollout', keys.rollout),
  refetchInterval: ({ state: { data } }) => (data?.state === 'Progressing' ? ROLLOUT_MS.busy : ROLLOUT_MS.idle),
});

export const eventsQuery = (params: Params) =>
  listOf<EventView>('/api/v1/events', { queryKey: keys.events.list(params), params, keyOf: ({ id }) => String(id) });
export const auditQuery = (params: Params) =>
  listOf<AuditEntry>('/api/v1/audit', { queryKey: keys.audit.list(params), params, keyOf: ({ sequence }) => String(sequence) });
export const auditVerificationQuery = oneOf<AuditVerificationView>('/api/v1/audit/verification', keys.audit.verification);

export const alertsQuery = (params: Params) =>
  listOf<AlertView>('/api/v1/alerts', { queryKey: keys.alerts.list(params), params, keyOf: ({ fingerprint }) => fingerprint });
export const silencesQuery = oneOf<SilenceList>('/api/v1/alerts/silences', keys.alerts.silences);
export const receiversQuery = oneOf<ReceiverList>('/api/v1/alerts/receivers', keys.alerts.receivers);

/** Alerts that fire and are not silenced. */
export interface FiringAlerts {
  readonly total: number;
  /** Undefined if none fires. */
  readonly worst: AlertSeverity | undefined;
}

/** Sums up the counts of alerts in the stream. */
export const firingOf = (counts: AlertCounts): FiringAlerts => ({
  total: ALERT_SEVERITIES.reduce((total, severity) => total + counts[severity], 0),
  worst: ALERT_SEVERITIES.find((severity) => counts[severity] > 0),
});

export const firingAlertsQuery = queryOptions({
  queryKey: keys.alerts.firing,
  queryFn: async ({ signal }): Promise<FiringAlerts> => {
    // The most severe one comes first.
    const { total, items } = await getJson<Page<AlertView>>('/api/v1/alerts', { state: 'firing', limit: 1 }, signal);
    return { total, worst: items[0]?.severity };
  },
});

/**
 * Parses a key of {@link findingKey}. No name in it has a slash, except the key of a local policy,
 * which comes last.
 *
 * @returns undefined if the text is no such key
 */
export const parseFindingKey = (text: string): FindingRef | undefined => {
  const parts = text.split('/');
  const [cluster, namespace, kind, name, ...policy] = parts;
  if (!(cluster && namespace && kind && name) || parts.includes('') || policy.length === 0 || policy.length > 2) return undefined;
  return { cluster, policy: policy.join('/'), namespace, kind, name };
};
