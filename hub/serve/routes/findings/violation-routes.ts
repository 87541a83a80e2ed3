import { MAX_SAMPLES, type ViolationGroup, ViolationGroupPage, ViolationPage } from '@fso/shared/api';
import type { NamedViolation } from '../../fleet/cluster-entry.ts';
import { nameFindings } from '../../fleet/findings/findings.ts';
import {
  groupOrders,
  groupViolations,
  matchesViolation,
  ViolationGroupQuery,
  ViolationQuery,
  violationOrders,
} from '../../fleet/findings/violation-lists.ts';
import { listPage } from '../../http/paging.ts';
import { includesText } from '../../http/parameters.ts';
import { jsonRoute, type Route, SCOPED_LIST } from '../../http/route.ts';
import { type FindingDeps, readNamed } from './read-named.ts';

const readViolations = (deps: FindingDeps, query: ViolationQuery): Promise<readonly NamedViolation[]> =>
  readNamed(deps, query, {
    from: (fleet) => fleet.violations(),
    known: ({ violations }) => Math.min(violations, MAX_SAMPLES),
    inspected: ({ violationSamples }, of, { enforcementAction }) => nameFindings(violationSamples, { ...of, enforcementAction }),
  });

/** Routes of violations: list and groups. */
export const violationRoutes: readonly Route<FindingDeps, 'scoped'>[] = [
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/violations',
      operationId: 'listViolations',
      summary: 'Workloads outside of their allowed regions',
      description:
        'Clusters name their first 20 violations, and the first 20 of each policy that was applied in them; `violations` of policies and clusters counts all of them. With `cluster` and `policy` the agent is asked for its first 20 of that policy, for a few seconds at most. What an unreachable cluster last reported stays listed.',
      tag: 'policies',
      query: ViolationQuery,
    },
    {
      schema: ViolationPage,
      description: 'A page; sorted by cluster unless `sort` says otherwise, then by policy, namespace, kind and name.',
    },
    async (deps, { query, ...input }) => {
      const violations = await readViolations(deps, query);
      const matches = (violation: NamedViolation): boolean => matchesViolation(violation, query);
      const page = await listPage(violations, { matches, orders: violationOrders, query }, input);
      return { ...page, items: page.items.map(({ view }) => view) };
    },
  ),
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/violation-groups',
      operationId: 'listViolationGroups',
      summary: 'Violations added up',
      description: 'By policy and by cluster all that agents count; by namespace, workload and region those that they name.',
      tag: 'policies',
      query: ViolationGroupQuery,
    },
    {
      schema: ViolationGroupPage,
      description: 'A page of groups with at least one violation; most violations first unless `sort` says otherwise.',
    },
    async (deps, { query, ...input }) => {
      const groups = await groupViolations(await deps.fleet.read(), query.by, input);
      const matches = ({ key }: ViolationGroup): boolean => includesText(key, query.q);
      return listPage(groups, { matches, orders: groupOrders, query }, input);
    },
  ),
];
