import type { RoleGrant } from '@fso/shared/api';
import { type CompiledPolicy, compileFleet } from '@fso/shared/compile';
import { groupsNamed, type PolicySet, scopesAbove, scopesOf } from '@fso/shared/decode';
import type { FleetState, PlannedEffects } from '@fso/shared/effects';
import { byText, canonicalJson, sha256 } from '@fso/shared/encoding';
import { weakMemo2 } from '@fso/shared/runtime';
import { type GrantSet, Visibility } from '../access/index.ts';

/** The policies of one side that a caller sees. */
type VisibleSide = Required<Pick<FleetState, 'set' | 'counts'>>;

/** Sides of a plan, restricted to what a caller sees. */
export interface VisibleSides {
  readonly before: VisibleSide;
  readonly after: VisibleSide;
  /** Returns the grants for a cluster in the commit in force; undefined if everything is seen. */
  readonly grantsAt: (cluster: string) => GrantSet | undefined;
}

const sideOf = (set: PolicySet, visibility: Visibility): VisibleSide => {
  // Memoized, as most clusters share their grants and policies with others.
  const sees = weakMemo2((grants: GrantSet, { name }: CompiledPolicy): boolean => visibility.seesPolicy(grants, name));
  return {
    set: { ...set, clusters: set.clusters.filter(({ document }) => !visibility.at(document.metadata.name).isEmpty) },
    counts: (cluster, policy) => sees(visibility.at(cluster), policy),
  };
};

/** Resolves which clusters and policies of a commit grants select. */
export const visibilityOf = (grants: readonly RoleGrant[], set: PolicySet): Visibility =>
  new Visibility(grants, { revision: '', set, clusters: new Map() });

/** The part of a commit that grants select. @param grants undefined selects all of it */
export const visibleSide = (commit: PolicySet, grants: readonly RoleGrant[] | undefined): VisibleSide =>
  grants === undefined ? { set: commit, counts: () => true } : sideOf(commit, visibilityOf(grants, commit));

/**
 * Restricts two sets to what grants select. Whatever the caller does not see in the commit in force
 * is left out, so a hidden name that the files use appears as a new one. Files cannot move a
 * cluster into the caller's scope: grants are applied to its registration in force. Pure.
 *
 * @param grants undefined if the caller sees everything
 */
export const visibleSides = (before: PolicySet, after: PolicySet, grants: readonly RoleGrant[] | undefined): VisibleSides => {
  if (grants === undefined)
    return { before: visibleSide(before, undefined), after: visibleSide(after, undefined), grantsAt: () => undefined };
  const visibility = visibilityOf(grants, before);
  const visible = sideOf(before, visibility);
  const inForce = new Map(visible.set.clusters.map((cluster) => [cluster.document.metadata.name, cluster]));
  const registered = after.clusters.map((cluster) => inForce.get(cluster.document.metadata.name) ?? cluster);
  return {
    before: visible,
    after: sideOf(after, visibilityOf(grants, { ...after, clusters: registered })),
    grantsAt: (cluster) => visibility.at(cluster),
  };
};

/** The part of a commit that a patch is applied to. */
type PatchBase = Pick<PolicySet, 'policies' | 'scopes' | 'clusters' | 'regionGroups'>;

/**
 * Extracts the part of a commit that a caller sees: clusters, the policies that the caller sees
 * there, the groups that these name, and the scopes that contain them. A patch is decoded as if
 * nothing else existed, so that no name, folder or number in it can probe the rest. Pure.
 *
 * @param grants undefined if the caller sees everything
 */
export const visibleBase = (commit: PolicySet, grants: readonly RoleGrant[] | undefined): PatchBase => {
  if (grants === undefined) return commit;
  const { set, counts } = sideOf(commit, visibilityOf(grants, commit));
  const compiled = [...compileFleet(set).values()];
  const seen = new Set(compiled.flatMap(({ cluster, policies }) => policies.flatMap((each) => (counts(cluster, each) ? each.name : []))));
  const policies = set.policies.filter(({ document }) => seen.has(document.metadata.name));
  const references = policies.flatMap(({ document }) => document.spec.allowedRegions);
  const groups = groupsNamed(references, set);
  const folders = scopesOf(set);
  const scopes = new Set(policies.flatMap(({ source }) => scopesAbove(source.path, folders)));
  return {
    policies,
    scopes: [...scopes],
    clusters: set.clusters,
    regionGroups: set.regionGroups.filter(({ document }) => groups.has(document.metadata.name)),
  };
};

/** Digest of what grants select. Their roles do not count. */
export const digestOfScope = (grants: readonly RoleGrant[]): string => {
  const selections = grants.map(({ role: _role, ...selection }) => canonicalJson(selection));
  return sha256(canonicalJson([...new Set(selections)].sort(byText)));
};

/**
 * Whether grants select each cluster and namespace that a stored plan names. Grants that select
 * policies by name or label select no namespace. Pure.
 */
export const seesPlan = (visibility: Visibility, { effects, workloads, ...plan }: PlannedEffects): boolean => {
  // Most clusters share their grants, and each set of grants is checked once.
  const sees = (clusters: readonly string[], namespaces: readonly string[]): boolean =>
    [...new Set(clusters.map((cluster) => visibility.at(cluster)))].every(
      (grants) => !grants.isEmpty && namespaces.every((namespace) => grants.seesNamespaces(namespace)),
    );
  const named = [plan.notLookedAt, plan.notAnswered, plan.partly, ...plan.patterns.map(({ clusters }) => clusters)].flat();
  return (
    sees(named, []) &&
    effects.every(({ clusters, elsewhere, namespaces }) => sees(clusters, namespaces) && sees(elsewhere ?? [], [])) &&
    workloads.every(({ cluster, outside, refused, pending }) => sees([cluster], [outside, refused, pending].flatMap(namespacesOf)))
  );
};

/** Namespaces of the owners that a class names, such as `web` of `Deployment web/api`. */
const namespacesOf = ({ owners = [] }: PlannedEffects['workloads'][number]['outside']): readonly string[] =>
  owners.map((owner) => owner.slice(owner.indexOf(' ') + 1, owner.indexOf('/')));
