import { type ViolationGroup, ViolationGroupPage, ViolationPage } from '@fso/shared/api';
import type { NamedViolation } from '../fleet/cluster-entry.ts';
import type { FleetDeps } from '../fleet/fleet-reader.ts';
import {
  groupOrders,
  groupViolations,
  matchesViolation,
  ViolationGroupQuery,
  ViolationQuery,
  violationOrders,
} from '../fleet/violation-lists.ts';
import { listPage } from '../http/paging.ts';
import { includesText } from '../http/parameters.ts';
import { jsonRoute, type Route } from '../http/route.ts';

/** Violations, one by one and added up. */
export const violationRoutes: readonly Route<FleetDeps>[] = [
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
      scope: 'scoped',
      slots: 'list',
      query: ViolationQuery,
    },
    {
      schema: ViolationPage,
      description: 'A page; sorted by cluster unless `sort` says otherwise, then by policy, namespace, kind and name.',
    },
    async (deps, { query, ...input }) => {
      const violations = (await deps.fleet.read()).violations();
      const matches = (violation: NamedViolation): boolean => matchesViolation(violation, query);
      const page = await listPage(violations, { matches, orders: violationOrders, query }, input);
      return { ...page, items: page.items.map(({ view }) => view) };
    },
  ),
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/violation-groups',
      operationId: 'listViolationGroups',
      summary: 'Violations added up',
      description: 'By policy and by cluster all that agents count; by namespace, workload and region those that they name.',
      tag: 'policies',
      access: 'viewer',
      scope: 'scoped',
      slots: 'list',
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
