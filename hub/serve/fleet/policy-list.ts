import { EnforcementAction, effectivePhase, ManagedBy, NamespaceName, Phase, Region, ResourceName } from '@fso/shared/api';
import { isExpiring } from '@fso/shared/residency';
import { z } from 'zod';
import { NEVER, type Orders, sortParameter } from '../http/paging.ts';
import { Flag, includesText, matches, paging, Search } from '../http/parameters.ts';
import { SEVERITY, worstPhase } from './phases.ts';
import type { PolicyEntry } from './policy-entry.ts';

/** Filters and sort orders of policies. */

/** Query parameters of the list of policies. */
export const PolicyQuery = z.strictObject({
  cluster: ResourceName.optional().describe('Policies of this cluster, with their phase there as the one that `phase` filters by.'),
  phase: Phase.optional(),
  namespace: NamespaceName.optional().describe('Policies that govern this namespace somewhere, or target it by name.'),
  region: Region.optional().describe('Policies that allow this region, by name or by a group.'),
  action: EnforcementAction.optional(),
  managedBy: ManagedBy.optional(),
  expiring: Flag.optional().describe('true: those that expire within 14 days; false: the others.'),
  violating: Flag.optional().describe('true: those with violations; false: those without.'),
  q: Search.describe('Part of the key or of the target namespace, upper and lower case alike.'),
  sort: sortParameter(['name', 'target', 'phase', 'violations', 'expiry', 'updated']),
  ...paging,
});
export type PolicyQuery = z.output<typeof PolicyQuery>;

/** Name of a sort order of the list of policies. */
export type PolicySort = 'name' | 'target' | 'phase' | 'violations' | 'expiry' | 'updated';

/** Sort orders of the list of policies, by the name in `sort`. */
export const policyOrders: Orders<PolicyEntry, PolicySort> = {
  keyOf: ({ key }) => key,
  by: {
    name: ({ key }) => key,
    target: ({ head }) => head()?.targetNamespace ?? '',
    phase: ({ tally }) => SEVERITY.indexOf(worstPhase(tally.phases)),
    violations: ({ tally }) => tally.violations,
    expiry: ({ head }) => Date.parse(head()?.expiryDate ?? '') || NEVER,
    updated: ({ summary }) => Date.parse(summary().lastUpdated ?? '') || 0,
  },
};

const hasPhase = ({ rows, tally }: PolicyEntry, { phase, cluster }: PolicyQuery): boolean => {
  if (phase === undefined) return true;
  if (cluster === undefined) return worstPhase(tally.phases) === phase;
  const row = rows.get(cluster);
  return row !== undefined && effectivePhase(row) === phase;
};

const isKind = (entry: PolicyEntry, { action, managedBy, region }: PolicyQuery): boolean => {
  const head = entry.head();
  return (
    matches(action, head?.enforcementAction) &&
    matches(managedBy, head?.managedBy) &&
    (region === undefined || head?.effectiveRegions.includes(region) === true)
  );
};

/** Whether a policy matches all given filters. @param now milliseconds since 1970 */
export const matchesPolicy = (entry: PolicyEntry, query: PolicyQuery, now: number): boolean => {
  const { cluster, namespace, q, expiring, violating } = query;
  const { targetNamespace = '', expiryDate } = entry.head() ?? {};
  return (
    (cluster === undefined || entry.rows.get(cluster) !== undefined) &&
    (namespace === undefined || targetNamespace === namespace || entry.tally.namespaces.has(namespace)) &&
    matches(expiring, isExpiring(expiryDate, now)) &&
    matches(violating, entry.tally.violations > 0) &&
    isKind(entry, query) &&
    hasPhase(entry, query) &&
    (includesText(entry.key, q) || includesText(targetNamespace, q))
  );
};
