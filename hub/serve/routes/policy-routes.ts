import {
  isShortReport,
  type Page,
  type PolicyDetail,
  PolicyDetailPage,
  PolicyHistory,
  type PolicyInCluster,
  PolicyPage,
  type PolicyReport,
  PolicySourceView,
  PolicySummaryPage,
  PolicyView,
  policyKey,
  ResourceName,
} from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { GitObjectError } from '@fso/shared/git';
import { BusyError } from '@fso/shared/runtime';
import { isUnjudged } from '@fso/shared/status';
import { z } from 'zod';
import type { InspectedReport } from '../../delivery/index.ts';
import type { FleetState } from '../../ledger/index.ts';
import type { PolicyDocuments, PolicyPlace } from '../../source/index.ts';
import type { SeenProcessing } from '../export/processing-report.ts';
import type { FleetDeps } from '../fleet/fleet-reader.ts';
import { MAX_ROWS, type PolicyEntry } from '../fleet/policy-entry.ts';
import { matchesPolicy, PolicyQuery, type PolicySort, policyOrders } from '../fleet/policy-list.ts';
import { type ListInput, listPage, type Orders, pageOf } from '../http/paging.ts';
import { NameParams, NamespacedNameParams, paging, wholeNumber } from '../http/parameters.ts';
import { ApiError, notFound } from '../http/problems.ts';
import { GLOBAL_READ, type HubScope, jsonRoute, type Route, SCOPED_LIST, SCOPED_READ } from '../http/route.ts';

/** Dependencies of policy routes: the fleet and its agents. */
export interface PolicyDeps extends FleetDeps {
  readonly agents: {
    /** Asks the agent of a cluster for the full report of a policy, by key. */
    inspect(cluster: string, policy: string): Promise<InspectedReport>;
    /** Asks the agent of a cluster where pods run; undefined: unknown. */
    locate(cluster: string): Promise<SeenProcessing | undefined>;
  };
}

interface PolicyDocumentDeps {
  readonly ledger: Pick<FleetState, 'desired'>;
  /** Documents of policies and their history in Git. */
  readonly source: { readonly documents: PolicyDocuments };
}

/** @returns a page of policies, without those that were removed meanwhile */
const readPolicies = async (
  { fleet }: FleetDeps,
  query: PolicyQuery,
  orders: Orders<PolicyEntry, PolicySort>,
  input: ListInput,
): Promise<Page<PolicyEntry>> => {
  const now = fleet.now();
  const policies = (await fleet.read()).policies();
  const page = await listPage(policies, { matches: (policy) => matchesPolicy(policy, query, now), orders, query }, input);
  return { ...page, items: page.items.filter((policy) => policy.head() !== undefined) };
};

/** Sort orders with weights: a policy with one cluster takes about 1 KB. */
const wholeOrders = { ...policyOrders, weightOf: ({ tally }: PolicyEntry): number => Math.min(tally.phases.total, MAX_ROWS) };

const PHASES =
  'Policies of the revision in force and local ones. A cluster that is not connected contributes at best Pending to the phase of a policy: what it last reported is shown, but not counted as compliant.';

const notInGit = (name: string): ApiError => new ApiError('not-found', `The policy ${name} is not in Git.`);

const PolicyClusters = z.strictObject({
  limit: wholeNumber({ digits: 4, min: 1, max: MAX_ROWS }).default(MAX_ROWS).describe(`Clusters of the answer, 1 to ${MAX_ROWS}.`),
  cursor: paging.cursor,
});
type PolicyClusters = z.output<typeof PolicyClusters>;

const readPolicy = async ({ fleet }: FleetDeps, key: string, page: PolicyClusters): Promise<PolicyView> =>
  (await fleet.read()).policy(key)?.view(page) ?? notFound(`policy ${key}`);

/**
 * @returns the path of a policy in Git
 * @throws ApiError `not-found` if it is not in Git, such as a local one
 */
const placeOf = async ({ ledger }: PolicyDocumentDeps, name: string): Promise<PolicyPlace> => {
  const desired = await ledger.desired();
  const found = desired?.set.policies.find(({ document }) => document.metadata.name === name);
  if (desired === null || found === undefined) throw notInGit(name);
  return { revision: desired.revision, path: found.source.path, name };
};

/**
 * Reads from the clone, which is a cache: objects are missing while it is rebuilt.
 *
 * @throws ApiError `not-ready` in that case; `not-found`
 */
const fromClone = async <T>(read: Promise<T | null>, name: string): Promise<T> => {
  try {
    const found = await read;
    if (found !== null) return found;
  } catch (error) {
    if (error instanceof BusyError)
      throw new ApiError('too-many-requests', 'The hub computes other histories. Try again soon.', { 'Retry-After': '5' });
    if (!(error instanceof GitObjectError)) throw error;
    throw new ApiError('not-ready', 'The hub rebuilds its clone of the repository. Try again soon.', { 'Retry-After': '5' });
  }
  throw notInGit(name);
};

/** Maximum number of agents that one request asks. */
const MAX_ASKED = 50;

const PolicyDetailQuery = z.strictObject({
  cluster: ResourceName.optional().describe('In this cluster only.'),
  limit: wholeNumber({ digits: 2, min: 1, max: MAX_ASKED })
    .default(MAX_ASKED)
    .describe(`Clusters of a page, 1 to ${MAX_ASKED}: their agents are asked at the same time.`),
  cursor: paging.cursor,
});
type PolicyDetailQuery = z.output<typeof PolicyDetailQuery>;

/** Whether the agent's answer shows a better state than the one that is counted for the cluster. */
const isAbove = (inspected: PolicyReport, reported: PolicyReport): boolean =>
  isUnjudged(reported) || (reported.phase === 'Pending' && inspected.phase === 'Active');

/**
 * Adds details to a row. Only the agent has the details of a hub policy, except for the commit
 * since which it is unchanged.
 */
const detailOf = async (key: string, row: PolicyInCluster, { agents }: PolicyDeps): Promise<PolicyDetail> => {
  if (row.report !== null && !isShortReport(row.report)) return { ...row, source: 'report' };
  const report = row.fresh ? await agents.inspect(row.cluster, key) : undefined;
  if (report == null) return { ...row, source: 'none' };
  const { revision = report.revision } = row.report ?? {};
  const inspected = { ...report, revision };
  // The agent's answer ignores which commit the cluster should have, so it must not improve the
  // row.
  const { phase, message, enforcement, conditions } = row.report !== null && isAbove(inspected, row.report) ? row.report : inspected;
  const changed = report.lastUpdated ?? row.changed;
  return { ...row, report: { ...inspected, phase, message, enforcement, conditions }, changed, source: 'agent' };
};

const readDetails = async (key: string, query: PolicyDetailQuery, deps: PolicyDeps): Promise<z.input<typeof PolicyDetailPage>> => {
  const policy = (await deps.fleet.read()).policy(key) ?? notFound(`policy ${key}`);
  const rows = policy.rows.all().filter(({ cluster }) => query.cluster === undefined || query.cluster === cluster);
  if (rows.length === 0 && query.cluster !== undefined) return notFound(`policy ${key} in cluster ${query.cluster}`);
  const keyOf = ({ cluster }: PolicyInCluster): string => cluster;
  const page = pageOf(
    rows.sort((a, b) => byText(a.cluster, b.cluster)),
    keyOf,
    query,
  );
  return { ...page, items: await Promise.all(page.items.map((row) => detailOf(key, row, deps))) };
};

const DETAILS = {
  ...SCOPED_READ,
  description:
    'Times, conditions, messages, labels and violations. Of policies of Git the hub keeps none of these but the first violations of a cluster: the agents of the clusters of the page are asked now, for a few seconds at most.',
  tag: 'policies',
  slots: 'heavy',
  query: PolicyDetailQuery,
} as const;
const DETAIL_PAGE = { schema: PolicyDetailPage, description: 'A page, by cluster.' };

/** Routes of policies and their state in the clusters. */
export const policyRoutes: readonly Route<PolicyDeps, 'scoped'>[] = [
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/policies',
      operationId: 'listPolicies',
      summary: 'Policies with their state in every cluster',
      description: `${PHASES} A page ends before \`limit\` when its policies have more than 1000 reports of clusters; policy-summaries has them in short, and a policy by itself those beyond 1000.`,
      tag: 'policies',
      query: PolicyQuery,
    },
    { schema: PolicyPage, description: 'A page; sorted by key unless `sort` says otherwise.' },
    async (deps, { query, ...input }) => {
      const page = await readPolicies(deps, query, wholeOrders, input);
      return { ...page, items: page.items.map((policy) => policy.view()) };
    },
  ),
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/policy-summaries',
      operationId: 'listPolicySummaries',
      summary: 'Policies with their clusters counted',
      description: PHASES,
      tag: 'policies',
      query: PolicyQuery,
    },
    { schema: PolicySummaryPage, description: 'A page; sorted by key unless `sort` says otherwise.' },
    async (deps, { query, ...input }) => {
      const page = await readPolicies(deps, query, policyOrders, input);
      return { ...page, items: page.items.map((policy) => policy.summary()) };
    },
  ),
  jsonRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/policies/{name}',
      operationId: 'getPolicy',
      summary: 'One policy',
      description: "One in the agent's namespace, as all of Git are.",
      tag: 'policies',
      params: NameParams,
      query: PolicyClusters,
      problems: ['not-found'],
    },
    { schema: PolicyView, description: 'The policy.' },
    (deps, { params, query }) => readPolicy(deps, params.name, query),
  ),
  jsonRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/policies/{namespace}/{name}',
      operationId: 'getNamespacedPolicy',
      summary: 'One policy of another namespace',
      description: 'A local one: it stands in clusters, and not in Git.',
      tag: 'policies',
      params: NamespacedNameParams,
      query: PolicyClusters,
      problems: ['not-found'],
    },
    { schema: PolicyView, description: 'The policy.' },
    (deps, { params, query }) => readPolicy(deps, policyKey(params), query),
  ),
  jsonRoute(
    {
      ...DETAILS,
      path: '/api/v1/policy-details/{name}',
      operationId: 'getPolicyDetails',
      summary: 'All that the clusters say of a policy',
      params: NameParams,
      problems: ['not-found'],
    },
    DETAIL_PAGE,
    (deps, { params, query }) => readDetails(params.name, query, deps),
  ),
  jsonRoute(
    {
      ...DETAILS,
      path: '/api/v1/policy-details/{namespace}/{name}',
      operationId: 'getNamespacedPolicyDetails',
      summary: 'All that the clusters say of a policy of another namespace',
      params: NamespacedNameParams,
      problems: ['not-found'],
    },
    DETAIL_PAGE,
    (deps, { params, query }) => readDetails(policyKey(params), query, deps),
  ),
];

/** Routes of policy documents in Git. */
export const policyDocumentRoutes: readonly Route<PolicyDocumentDeps, HubScope>[] = [
  jsonRoute(
    {
      ...GLOBAL_READ,
      path: '/api/v1/policy-sources/{name}',
      operationId: 'getPolicySource',
      summary: 'The document of a policy as it stands in Git',
      tag: 'policies',
      params: NameParams,
      problems: ['not-found', 'not-ready'],
    },
    { schema: PolicySourceView, description: 'The document, at the commit in force.' },
    async (deps, { params }) => fromClone(deps.source.documents.source(await placeOf(deps, params.name)), params.name),
  ),
  jsonRoute(
    {
      ...GLOBAL_READ,
      path: '/api/v1/policy-histories/{name}',
      operationId: 'getPolicyHistory',
      summary: 'The commits that changed a policy',
      description:
        'Along first parents, from the commit in force: at most 50 changes in 2,000 commits, also where the document moved to another file. What a commit changed that cannot be read counts as changed by the next one. One that takes longer than 3 s is not complete, and goes on when it is asked for again.',
      tag: 'policies',
      params: NameParams,
      problems: ['not-found', 'not-ready', 'too-many-requests'],
    },
    { schema: PolicyHistory, description: 'The commits, newest first.' },
    async (deps, { params, signal }) => fromClone(deps.source.documents.history(await placeOf(deps, params.name), signal), params.name),
  ),
];
