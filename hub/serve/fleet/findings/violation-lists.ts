import { EnforcementAction, Region, type ViolationGroup, ViolationGrouping, type ViolationView } from '@fso/shared/api';
import { z } from 'zod';
import { type ListInput, type Orders, sortParameter } from '../../http/paging.ts';
import { matches, paging, Search } from '../../http/parameters.ts';
import type { NamedViolation } from '../cluster-entry.ts';
import type { Fleet } from '../fleet-index.ts';
import { isLater } from '../policy-entry.ts';
import { findingOrders, findingParameters, GROUP_KEYS, groupFindings, matchesFinding, objectKey } from './findings.ts';

/** Parameters of the list of violations. */
export const ViolationQuery = z.strictObject({
  ...findingParameters('workload', 'Pod, Deployment, …'),
  region: Region.or(z.literal('')).optional().describe('Where the pod runs; empty: those that run nowhere, or on a node without a region.'),
  action: EnforcementAction.optional(),
  q: Search.describe('Part of the name of the workload, its namespace, cluster, node or policy, upper and lower case alike.'),
  sort: sortParameter(['cluster', 'policy', 'namespace', 'name', 'region', 'since']),
  ...paging,
});
export type ViolationQuery = z.output<typeof ViolationQuery>;

/** Sort orders of the list of violations, by the name in `sort`. */
export const violationOrders: Orders<NamedViolation, 'cluster' | 'policy' | 'namespace' | 'name' | 'region' | 'since'> = {
  ...findingOrders,
  by: { ...findingOrders.by, region: ({ view }) => view.region ?? '', since: ({ view }) => Date.parse(view.since) },
};

/** Whether a violation matches the filters of a query. */
export const matchesViolation = ({ view }: NamedViolation, query: ViolationQuery): boolean =>
  matches(query.region, view.region ?? '') && matches(query.action, view.enforcementAction) && matchesFinding(view, query, view.node ?? '');

/** Parameters of the list of groups of violations. */
export const ViolationGroupQuery = z.strictObject({
  by: ViolationGrouping,
  q: Search.describe('Part of the key, upper and lower case alike.'),
  sort: sortParameter(['violations', 'key'], '-violations'),
  ...paging,
});

/** Actions, strongest first. The effect of `custom` depends on Gatekeeper and may be a denial. */
const STRENGTH: readonly EnforcementAction[] = ['deny', 'custom', 'warn', 'dryrun'];

const KEYS: Readonly<Record<ViolationGrouping, (view: ViolationView) => readonly string[]>> = {
  ...GROUP_KEYS,
  workload: (view) => [objectKey(view)],
  region: ({ region = '' }) => [region],
};

interface Sum {
  named: number;
  worst: number;
  oldest: string | null;
}

const add = (sum: Sum, { enforcementAction, since }: ViolationView): void => {
  sum.named += 1;
  sum.worst = Math.min(sum.worst, STRENGTH.indexOf(enforcementAction));
  if (sum.oldest === null || isLater(sum.oldest, since)) sum.oldest = since;
};

/**
 * Counts of agents, which include violations that are not reported by name. Only some groupings
 * have them.
 */
const countedBy = (fleet: Fleet, by: ViolationGrouping): ReadonlyMap<string, number> => {
  const counted = new Map<string, number>();
  if (by === 'policy') for (const { key, tally } of fleet.policies()) counted.set(key, tally.violations);
  if (by === 'cluster') for (const { record, violations } of fleet.members()) counted.set(record.name, violations);
  for (const [key, violations] of counted) if (violations === 0) counted.delete(key);
  return counted;
};

/**
 * Sums violations by group, in no order. Only groups with at least one violation are returned.
 *
 * @throws the signal's reason
 */
export const groupViolations = async (fleet: Fleet, by: ViolationGrouping, input: ListInput): Promise<ViolationGroup[]> => {
  // Read before the first pause: after it the index may have changed.
  const counted = countedBy(fleet, by);
  const empty = (): Sum => ({ named: 0, worst: STRENGTH.length, oldest: null });
  const groups = await groupFindings(fleet.violations(), { keys: counted.keys(), keysOf: KEYS[by], empty, add }, input);
  return groups.map(({ key, sum: { named, worst, oldest }, policies, clusters }) => ({
    key,
    violations: counted.get(key) ?? named,
    named,
    policies: policies.size,
    clusters: clusters.size,
    worstAction: STRENGTH[worst] ?? null,
    oldest,
  }));
};

/** Sort orders of groups of violations, by the name in `sort`. */
export const groupOrders: Orders<ViolationGroup, 'violations' | 'key'> = {
  keyOf: ({ key }) => key,
  by: { violations: ({ violations }) => violations, key: ({ key }) => key },
};
