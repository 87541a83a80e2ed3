import {
  type ClusterPolicy,
  ConnectionState,
  effectivePhase,
  Phase,
  policyKey,
  Region,
  type RegionList,
  type RegionView,
} from '@fso/shared/api';
import { type PolicySet, regionsOf as resolverOf } from '@fso/shared/decode';
import { byText } from '@fso/shared/encoding';
import { z } from 'zod';
import { type ListInput, NEVER, type Orders, sortParameter } from '../http/paging.ts';
import { Flag, includesText, matches, paging, Search } from '../http/parameters.ts';
import { areLocksReady, type ClusterEntry, isRefusing, isTampered, type NamedViolation } from './cluster-entry.ts';
import type { Fleet } from './fleet-index.ts';
import { SEVERITY } from './phases.ts';
import type { PolicyEntry } from './policy-entry.ts';

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
  q: Search,
  sort: sortParameter(['name', 'connection', 'violations', 'seen', 'certificate', 'kubernetes']),
  ...paging,
});
export type ClusterQuery = z.output<typeof ClusterQuery>;

/** v1.9 before v1.10. */
const versionOrder = (version: string): string => version.replaceAll(/\d+/g, (digits) => digits.padStart(6, '0'));

export const clusterOrders: Orders<ClusterEntry, 'name' | 'connection' | 'violations' | 'seen' | 'certificate' | 'kubernetes'> = {
  keyOf: ({ record }) => record.name,
  by: {
    name: ({ record }) => record.name,
    connection: ({ view }) => view.connection,
    violations: ({ violations }) => violations,
    seen: ({ record }) => Date.parse(record.lastSeen?.at ?? '') || 0,
    certificate: ({ view }) => Date.parse(view.certificateExpires ?? '') || NEVER,
    kubernetes: ({ record }) => versionOrder(record.report?.kubernetesVersion ?? ''),
  },
};

/** Regions that a cluster is registered with, and those that its nodes are in. */
const regionsOf = ({ registration, record }: ClusterEntry): ReadonlySet<string> => {
  const inhabited = Object.entries(record.report?.nodesByRegion ?? {}).flatMap(([region, nodes]) =>
    nodes > 0 && region !== '' ? [region] : [],
  );
  return new Set([...(registration?.spec.regions ?? []), ...inhabited]);
};

export const matchesCluster = (entry: ClusterEntry, query: ClusterQuery): boolean => {
  const { connection, inSync, observed, violating, tampered, refusing, locksReady, region, q } = query;
  return (
    matches(connection, entry.view.connection) &&
    matches(inSync, entry.view.inSync) &&
    matches(observed, entry.view.notObserved === null) &&
    matches(violating, entry.violations > 0) &&
    matches(tampered, isTampered(entry)) &&
    matches(refusing, isRefusing(entry)) &&
    matches<boolean | undefined>(locksReady, areLocksReady(entry)) &&
    (region === undefined || regionsOf(entry).has(region)) &&
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
 * A policy as it stands in one cluster; undefined where the cluster neither should have it nor
 * reports it.
 */
const clusterPolicy = (entry: PolicyEntry, cluster: string): ClusterPolicy | undefined => {
  const row = entry.rows.get(cluster);
  const head = entry.head();
  if (row === undefined || head === undefined) return undefined;
  const { fresh, report, changed } = row;
  return { ...head, phase: effectivePhase(row), violations: report?.violations ?? 0, fresh, report, changed };
};

/** Policies as they stand in one cluster, for those that it should have or reports. */
export function* clusterPolicies(policies: Iterable<PolicyEntry>, cluster: string): Generator<ClusterPolicy> {
  for (const entry of policies) {
    const here = clusterPolicy(entry, cluster);
    if (here !== undefined) yield here;
  }
}

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

export const matchesClusterPolicy = (policy: ClusterPolicy, { phase, violating, q }: ClusterPolicyQuery): boolean =>
  matches(phase, policy.phase) &&
  matches(violating, policy.violations > 0) &&
  (includesText(policyKey(policy), q) || includesText(policy.targetNamespace, q));

const groupsOf = (set: PolicySet | undefined, region: string): string[] => {
  const regions = set && resolverOf(set);
  return [...(regions?.groups.keys() ?? [])].filter((group) => regions?.resolve([`group:${group}`]).regions.includes(region)).sort(byText);
};

/** Places of a name, by the catalogue of a commit. */
const placesOf = (set: PolicySet | undefined, name: string): Pick<RegionView, 'places'> => {
  const readings = set && resolverOf(set).catalog?.names.get(name);
  if (readings === undefined) return {};
  const places = readings.map(({ provider, country, place, region: { partition, latitude, longitude } }) => ({
    provider,
    partition,
    country,
    place,
    latitude,
    longitude,
  }));
  return { places };
};

type RegionLookup = (region: string) => RegionView;

const nodesOf = ({ record: { report } }: ClusterEntry): [string, number][] => Object.entries(report?.nodesByRegion ?? {});

const addPolicy = ({ head }: PolicyEntry, at: RegionLookup): void => {
  for (const region of head()?.effectiveRegions ?? []) at(region).policies += 1;
};

const addCluster = (cluster: ClusterEntry, at: RegionLookup): void => {
  for (const region of regionsOf(cluster)) at(region).clusters.push(cluster.record.name);
  for (const [region, nodes] of nodesOf(cluster)) if (region !== '' && nodes > 0) at(region).nodes += nodes;
};

const addViolation = ({ view }: NamedViolation, at: RegionLookup): void => {
  if (view.region !== undefined) at(view.region).violations += 1;
};

/**
 * Every region that a policy allows, a cluster or node is in, or a violation runs in; by name.
 * @throws the signal's reason
 */
export const listRegions = async (fleet: Fleet, { work, signal }: ListInput): Promise<RegionList> => {
  const set = fleet.desired()?.set;
  const regions = new Map<string, RegionView>();
  const at: RegionLookup = (region) => {
    const view = regions.get(region) ?? {
      region,
      groups: groupsOf(set, region),
      ...placesOf(set, region),
      policies: 0,
      clusters: [],
      nodes: 0,
      violations: 0,
    };
    regions.set(region, view);
    return view;
  };
  // Before the first pause, after which the fleet is another one.
  const [policies, members, violations] = [fleet.policies(), fleet.members(), fleet.violations()];
  await work.each(policies, (policy) => addPolicy(policy, at), signal);
  await work.each(members, (cluster) => addCluster(cluster, at), signal);
  await work.each(violations, (violation) => addViolation(violation, at), signal);
  return {
    items: [...regions.values()].sort((a, b) => byText(a.region, b.region)),
    nodesWithoutRegion: members.reduce((sum, { record }) => sum + (record.report?.nodesByRegion[''] ?? 0), 0),
  };
};
