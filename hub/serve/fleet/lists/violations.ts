import { EnforcementAction, NamespaceName, Region, ResourceName } from '@fso/shared/api';
import { z } from 'zod';
import { type Orders, sortParameter } from '../../http/paging.ts';
import { includesText, isWanted, PolicyName, paging, Search } from '../../queries.ts';
import type { NamedViolation } from '../cluster-entry.ts';

/** Which violations, and in which order. */

export const ViolationQuery = z.strictObject({
  cluster: ResourceName.optional(),
  policy: PolicyName,
  namespace: NamespaceName.optional(),
  kind: z.string().min(1).max(63).optional().describe('Pod, Deployment, …'),
  name: z.string().min(1).max(253).optional().describe('Of the workload.'),
  region: Region.or(z.literal('')).optional().describe('Where the pod runs; empty: those that run nowhere, or on a node without a region.'),
  action: EnforcementAction.optional(),
  q: Search.describe('Part of the name of the workload, its namespace, cluster, node or policy, upper and lower case alike.'),
  sort: sortParameter(['cluster', 'policy', 'namespace', 'name', 'region', 'since']),
  ...paging,
});
export type ViolationQuery = z.output<typeof ViolationQuery>;

export const violationOrders: Orders<NamedViolation, 'cluster' | 'policy' | 'namespace' | 'name' | 'region' | 'since'> = {
  keyOf: ({ key }) => key,
  by: {
    cluster: ({ view }) => view.cluster,
    policy: ({ view }) => view.policy,
    namespace: ({ view }) => view.namespace,
    name: ({ view }) => view.name,
    region: ({ view }) => view.region ?? '',
    since: ({ view }) => Date.parse(view.since),
  },
};

const EQUAL = ['cluster', 'policy', 'namespace', 'kind', 'name'] as const;

export const matchesViolation = ({ view }: NamedViolation, query: ViolationQuery): boolean =>
  EQUAL.every((field) => isWanted(query[field], view[field])) &&
  isWanted(query.region, view.region ?? '') &&
  isWanted(query.action, view.enforcementAction) &&
  [view.name, view.namespace, view.cluster, view.policy, view.node ?? ''].some((text) => includesText(text, query.q));
