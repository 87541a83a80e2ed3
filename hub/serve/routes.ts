import {
  ClusterPage,
  ClusterView,
  EventPage,
  PolicyPage,
  PolicyView,
  policyKey,
  SourceView,
  StatusView,
  ViolationPage,
} from '@fso/shared/api';
import { decodeCursor, nextCursor, pageOf } from './paging.ts';
import { ApiError } from './problems.ts';
import {
  ClusterParams,
  ClusterQuery,
  EventQuery,
  includesText,
  knowledgeOf,
  matchesPolicy,
  matchesViolation,
  PolicyParams,
  PolicyQuery,
  sourceOf,
  statusOf,
  ViolationQuery,
} from './queries.ts';
import { jsonRoute, type Route } from './route.ts';
import { clusterView, clusterViews, policyViews, violationKey, violationViews } from './views.ts';

/** Events that are counted for `total`; a ledger may hold more. */
const MAX_COUNTED_EVENTS = 10_000;

const notFound = (what: string): never => {
  throw new ApiError('not-found', `There is no ${what}.`);
};

const policyRoutes: readonly Route[] = [
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/policies',
      operationId: 'listPolicies',
      summary: 'Policies with their state in every cluster',
      description:
        'Policies of the revision in force and local ones. A cluster that is not connected contributes at best Pending to the phase of a policy: what it last reported is shown, but not counted as compliant.',
      tag: 'policies',
      access: 'viewer',
      query: PolicyQuery,
    },
    { schema: PolicyPage, description: 'A page, sorted by namespace/name.' },
    async (deps, { query }) => {
      const policies = policyViews(await knowledgeOf(deps)).filter((policy) => matchesPolicy(policy, query));
      return pageOf(policies, policyKey, query);
    },
  ),
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/policies/{namespace}/{name}',
      operationId: 'getPolicy',
      summary: 'One policy',
      tag: 'policies',
      access: 'viewer',
      params: PolicyParams,
      problems: ['not-found'],
    },
    { schema: PolicyView, description: 'The policy.' },
    async (deps, { params }) => {
      const key = policyKey(params);
      return policyViews(await knowledgeOf(deps)).find((policy) => policyKey(policy) === key) ?? notFound(`policy ${key}`);
    },
  ),
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/violations',
      operationId: 'listViolations',
      summary: 'Workloads outside of their allowed regions',
      description:
        'Agents name the first 20 violations of each policy; `violations` of policies and clusters counts all of them. What an unreachable cluster last reported stays listed.',
      tag: 'policies',
      access: 'viewer',
      query: ViolationQuery,
    },
    { schema: ViolationPage, description: 'A page, sorted by cluster, policy, namespace, kind and name.' },
    async (deps, { query }) => {
      const violations = violationViews(await knowledgeOf(deps)).filter((violation) => matchesViolation(violation, query));
      return pageOf(violations, violationKey, query);
    },
  ),
];

const clusterRoutes: readonly Route[] = [
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/clusters',
      operationId: 'listClusters',
      summary: 'Clusters that are registered or were ever seen',
      tag: 'clusters',
      access: 'viewer',
      query: ClusterQuery,
    },
    { schema: ClusterPage, description: 'A page, sorted by name.' },
    async (deps, { query }) => {
      const clusters = clusterViews(await knowledgeOf(deps)).filter(({ name }) => includesText(name, query.q));
      return pageOf(clusters, ({ name }) => name, query);
    },
  ),
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/clusters/{name}',
      operationId: 'getCluster',
      summary: 'One cluster',
      tag: 'clusters',
      access: 'viewer',
      params: ClusterParams,
      problems: ['not-found'],
    },
    { schema: ClusterView, description: 'The cluster.' },
    async (deps, { params }) => {
      const [record, desired] = await Promise.all([deps.ledger.cluster(params.name), deps.ledger.desired()]);
      return record === null ? notFound(`cluster ${params.name}`) : clusterView(record, desired);
    },
  ),
];

const eventId = (cursor: string | undefined): { before?: number } => {
  if (cursor === undefined) return {};
  const id = decodeCursor(cursor);
  if (!/^\d{1,15}$/.test(id)) throw new ApiError('bad-request', 'query parameter cursor: is not a cursor of this list');
  return { before: Number(id) };
};

const hubRoutes: readonly Route[] = [
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/status',
      operationId: 'getStatus',
      summary: 'The whole fleet in numbers',
      tag: 'hub',
      access: 'viewer',
    },
    { schema: StatusView, description: 'The status.' },
    statusOf,
  ),
  jsonRoute(
    { method: 'get', path: '/api/v1/source', operationId: 'getSource', summary: 'The policy repository', tag: 'hub', access: 'viewer' },
    { schema: SourceView, description: 'The commit in force, a refused newer one, and why the repository cannot be read, if so.' },
    sourceOf,
  ),
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/events',
      operationId: 'listEvents',
      summary: 'What happened',
      description: `\`total\` counts at most the newest ${MAX_COUNTED_EVENTS} events.`,
      tag: 'hub',
      access: 'viewer',
      query: EventQuery,
    },
    { schema: EventPage, description: 'A page, newest first.' },
    async (deps, { query: { limit, cursor, cluster, policy } }) => {
      const filter = { ...(cluster === undefined ? {} : { cluster }), ...(policy === undefined ? {} : { policy }) };
      const [counted, found] = await Promise.all([
        deps.ledger.countEvents({ ...filter, limit: MAX_COUNTED_EVENTS }),
        deps.ledger.events({ ...filter, ...eventId(cursor), limit: limit + 1 }),
      ]);
      return { items: found.slice(0, limit), total: counted, next: nextCursor(found, ({ id }) => String(id), limit) };
    },
  ),
];

/** Everything that answers with a view. */
export const viewRoutes: readonly Route[] = [...hubRoutes, ...policyRoutes, ...clusterRoutes];
