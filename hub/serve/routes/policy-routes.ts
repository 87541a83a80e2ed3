import { PolicyPage, PolicySummaryPage, PolicyView, policyKey } from '@fso/shared/api';
import { matchesPolicy, PolicyQuery, policyOrders } from '../fleet/lists/policies.ts';
import type { PolicyEntry } from '../fleet/policy-entry.ts';
import { sortedPage } from '../http/paging.ts';
import { notFound } from '../http/problems.ts';
import { jsonRoute, type Route } from '../http/route.ts';
import { fleetOf, nowOf, PolicyParams } from '../queries.ts';
import type { ApiDeps } from '../types.ts';

const found = async (deps: ApiDeps, query: PolicyQuery): Promise<PolicyEntry[]> => {
  const now = nowOf(deps);
  return (await fleetOf(deps)).policies().filter((policy) => matchesPolicy(policy, query, now));
};

/** A cluster's report of a policy is about 1 KB. */
const wholeOrders = { ...policyOrders, weightOf: ({ rows }: PolicyEntry): number => rows.size };

const PHASES =
  'Policies of the revision in force and local ones. A cluster that is not connected contributes at best Pending to the phase of a policy: what it last reported is shown, but not counted as compliant.';

export const policyRoutes: readonly Route[] = [
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/policies',
      operationId: 'listPolicies',
      summary: 'Policies with their state in every cluster',
      description: `${PHASES} A page ends before \`limit\` when its policies have more than 1000 reports of clusters; policy-summaries has them in short.`,
      tag: 'policies',
      access: 'viewer',
      query: PolicyQuery,
    },
    { schema: PolicyPage, description: 'A page; sorted by namespace/name unless `sort` says otherwise.' },
    async (deps, { query }) => {
      const page = sortedPage(await found(deps, query), wholeOrders, query);
      return { ...page, items: page.items.map((policy) => policy.view()) };
    },
  ),
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/policy-summaries',
      operationId: 'listPolicySummaries',
      summary: 'Policies with their clusters counted',
      description: PHASES,
      tag: 'policies',
      access: 'viewer',
      query: PolicyQuery,
    },
    { schema: PolicySummaryPage, description: 'A page; sorted by namespace/name unless `sort` says otherwise.' },
    async (deps, { query }) => {
      const page = sortedPage(await found(deps, query), policyOrders, query);
      return { ...page, items: page.items.map((policy) => policy.summary()) };
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
      return (await fleetOf(deps)).policy(key)?.view() ?? notFound(`policy ${key}`);
    },
  ),
];
