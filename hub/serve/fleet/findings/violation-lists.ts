import {
  EnforcementAction,
  NamespaceName,
  Region,
  ResourceName,
  type ViolationGroup,
  ViolationGrouping,
  type ViolationView,
} from '@fso/shared/api';
import { z } from 'zod';
import { type ListInput, type Orders, sortParameter } from '../../http/paging.ts';
import { includesText, matches, PolicyName, paging, Search } from '../../http/parameters.ts';
import type { NamedViolation } from '../cluster-entry.ts';
import type { Fleet } from '../fleet-index.ts';
import { isLater } from '../policy-entry.ts';

/** Parameters of the list of violations. */
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
  EQUAL.every((field) => matches(query[field], view[field])) &&
  matches(query.region, view.region ?? '') &&
  matches(query.action, view.enforcementAction) &&
  [view.name, view.namespace, view.cluster, view.policy, view.node ?? ''].some((text) => includesText(text, query.q));

/** Parameters of the list of groups of violations. */
export const ViolationGroupQuery = z.strictObject({
  by: ViolationGrouping,
  q: Search.describe('Part of the key, upper and lower case alike.'),
  sort: sortParameter(['violations', 'key'], '-violations'),
  ...paging,
});

/** Strongest first; what `custom` does is Gatekeeper's matter, and may be to refuse. */
const STRENGTH: readonly EnforcementAction[] = ['deny', 'custom', 'warn', 'dryrun'];

const KEYS: Readonly<Record<ViolationGrouping, (view: ViolationView) => string>> = {
  policy: ({ policy }) => policy,
  cluster: ({ cluster }) => cluster,
  namespace: ({ cluster, namespace }) => `${cluster}/${namespace}`,
  workload: ({ cluster, namespace, kind, name }) => `${cluster}/${namespace}/${kind}/${name}`,
  region: ({ region = '' }) => region,
};

interface Group {
  named: number;
  readonly policies: Set<string>;
  readonly clusters: Set<string>;
  worst: number;
  oldest: string | null;
}

const emptyGroup = (): Group => ({ named: 0, policies: new Set(), clusters: new Set(), worst: STRENGTH.length, oldest: null });

const add = (group: Group, view: ViolationView): void => {
  group.named += 1;
  group.policies.add(view.policy);
  group.clusters.add(view.cluster);
  group.worst = Math.min(group.worst, STRENGTH.indexOf(view.enforcementAction));
  if (group.oldest === null || isLater(group.oldest, view.since)) group.oldest = view.since;
};

/**
 * Yields the counts of agents, which include violations that they do not name. There are none for
 * the other groupings.
 */
function* countedBy(fleet: Fleet, by: ViolationGrouping): Generator<readonly [key: string, violations: number]> {
  if (by === 'policy') for (const { key, tally } of fleet.policies()) yield [key, tally.violations];
  if (by === 'cluster') for (const { record, violations } of fleet.members()) yield [record.name, violations];
}

/**
 * Violations added up by where they are: groups with at least one, in no order. @throws the
 * signal's reason
 */
export const groupViolations = async (fleet: Fleet, by: ViolationGrouping, { work, signal }: ListInput): Promise<ViolationGroup[]> => {
  const named = new Map<string, Group>();
  const keyOf = KEYS[by];
  const violations = fleet.violations();
  // Before the first pause, after which the fleet is another one.
  const counts = [...countedBy(fleet, by)];
  await work.each(
    violations,
    ({ view }) => {
      const key = keyOf(view);
      const group = named.get(key) ?? emptyGroup();
      named.set(key, group);
      add(group, view);
    },
    signal,
  );
  const counted = new Map<string, number>();
  for (const [key, count] of counts) if (count > 0 || named.has(key)) counted.set(key, count);
  return [...new Set([...named.keys(), ...counted.keys()])].map((key) => {
    const group = named.get(key) ?? emptyGroup();
    return {
      key,
      violations: counted.get(key) ?? group.named,
      named: group.named,
      policies: group.policies.size,
      clusters: group.clusters.size,
      worstAction: STRENGTH[group.worst] ?? null,
      oldest: group.oldest,
    };
  });
};

export const groupOrders: Orders<ViolationGroup, 'violations' | 'key'> = {
  keyOf: ({ key }) => key,
  by: { violations: ({ violations }) => violations, key: ({ key }) => key },
};
