import { type ClusterPolicy, ConnectionState, CountryCode, effectivePhase, Phase, ProviderId, policyKey, Region } from '@fso/shared/api';
import { isCountryCode } from '@fso/shared/regions';
import { z } from 'zod';
import { NEVER, type Orders, sortParameter } from '../http/paging.ts';
import { Flag, includesText, matches, paging, Search } from '../http/parameters.ts';
import { areLocksReady, type ClusterEntry, connectionOf, isInSync, isRefusing, isTampered, providerOf } from './cluster-entry.ts';
import { SEVERITY } from './phases.ts';
import type { PolicyEntry } from './policy-entry.ts';
import { isInCountry, regionsOf } from './regions/region-list.ts';

/** Parameters of the list of clusters. */
export const ClusterQuery = z.strictObject({
  connection: ConnectionState.optional(),
  inSync: Flag.optional(),
  observed: Flag.optional().describe('false: connected clusters whose agent does not know how they are now; true: the others.'),
  violating: Flag.optional().describe('true: those with violations; false: those without.'),
  tampered: Flag.optional().describe(
    'true: clusters whose last report says that enforcing objects were changed or deleted, and restored, within an hour.',
  ),
  refusing: Flag.optional().describe('true: clusters whose agent still refuses the commit that it was offered last.'),
  locksReady: Flag.optional().describe(
    'false: clusters whose last report says that lock 1, its guard or Gatekeeper is not ready. A cluster without a report is neither.',
  ),
  region: Region.optional().describe('Those that are registered with this region or have nodes there.'),
  provider: ProviderId.optional().describe('Those that are registered with this provider.'),
  country: CountryCode.refine(isCountryCode, 'must be a country code of ISO 3166-1 (DE)')
    .optional()
    .describe('Those that are registered with a region of this country or have nodes there, as far as the catalogue of regions knows.'),
  q: Search,
  sort: sortParameter(['name', 'connection', 'violations', 'seen', 'certificate', 'kubernetes']),
  ...paging,
});
export type ClusterQuery = z.output<typeof ClusterQuery>;

/** Pads numbers, so that v1.9 sorts before v1.10. */
const versionOrder = (version: string): string => version.replaceAll(/\d+/g, (digits) => digits.padStart(6, '0'));

/** Sort orders of the list of clusters, by the name in `sort`. */
export const clusterOrders: Orders<ClusterEntry, 'name' | 'connection' | 'violations' | 'seen' | 'certificate' | 'kubernetes'> = {
  keyOf: ({ record }) => record.name,
  by: {
    name: ({ record }) => record.name,
    connection: ({ record }) => connectionOf(record),
    violations: ({ violations }) => violations,
    seen: ({ record }) => Date.parse(record.lastSeen?.at ?? '') || 0,
    certificate: ({ record }) => Date.parse(record.report?.certificateExpires ?? '') || NEVER,
    kubernetes: ({ record }) => versionOrder(record.report?.kubernetesVersion ?? ''),
  },
};

/** Whether a cluster matches all given filters. */
export const matchesCluster = (entry: ClusterEntry, query: ClusterQuery): boolean => {
  const { connection, inSync, observed, violating, tampered, refusing, locksReady, region, provider, country, q } = query;
  return (
    matches(connection, connectionOf(entry.record)) &&
    matches(inSync, isInSync(entry)) &&
    matches(observed, entry.record.notObserved === null) &&
    matches(violating, entry.violations > 0) &&
    matches(tampered, isTampered(entry)) &&
    matches(refusing, isRefusing(entry)) &&
    matches<boolean | undefined>(locksReady, areLocksReady(entry)) &&
    (region === undefined || regionsOf(entry).has(region)) &&
    matches(provider, providerOf(entry.registration)) &&
    (country === undefined || isInCountry(entry, country)) &&
    includesText(entry.record.name, q)
  );
};

/** Parameters of the list of one cluster's policies. */
export const ClusterPolicyQuery = z.strictObject({
  phase: Phase.optional().describe('What the cluster contributes.'),
  violating: Flag.optional().describe('true: those with violations in this cluster; false: those without.'),
  q: Search.describe('Part of the key or of the target namespace, upper and lower case alike.'),
  sort: sortParameter(['name', 'target', 'phase', 'violations', 'updated']),
  ...paging,
});
export type ClusterPolicyQuery = z.output<typeof ClusterPolicyQuery>;

/**
 * Returns the state of a policy in one cluster; undefined if the cluster neither should have the
 * policy nor reports it.
 */
const clusterPolicy = (entry: PolicyEntry, cluster: string): ClusterPolicy | undefined => {
  const row = entry.rows.get(cluster);
  const head = entry.head();
  if (row === undefined || head === undefined) return undefined;
  const { fresh, report, changed } = row;
  return { ...head, phase: effectivePhase(row), violations: report?.violations ?? 0, fresh, report, changed };
};

/** Yields the policies that one cluster should have or reports, with their state there. */
export function* clusterPolicies(policies: Iterable<PolicyEntry>, cluster: string): Generator<ClusterPolicy> {
  for (const entry of policies) {
    const here = clusterPolicy(entry, cluster);
    if (here !== undefined) yield here;
  }
}

/** Sort orders of the policies of one cluster, by the name in `sort`. */
export const clusterPolicyOrders: Orders<ClusterPolicy, 'name' | 'target' | 'phase' | 'violations' | 'updated'> = {
  keyOf: policyKey,
  by: {
    name: policyKey,
    target: ({ targetNamespace }) => targetNamespace,
    phase: ({ phase }) => SEVERITY.indexOf(phase),
    violations: ({ violations }) => violations,
    updated: ({ changed }) => Date.parse(changed ?? '') || 0,
  },
};

/** Whether a policy of a cluster matches all given filters. */
export const matchesClusterPolicy = (policy: ClusterPolicy, { phase, violating, q }: ClusterPolicyQuery): boolean =>
  matches(phase, policy.phase) &&
  matches(violating, policy.violations > 0) &&
  (includesText(policyKey(policy), q) || includesText(policy.targetNamespace, q));
