import type { ManagedClusterDocument, PolicyScopeDocument } from '../api/index.ts';
import type { RegionResolver } from '../regions/index.ts';
import { parentOf } from './paths.ts';
import { type PlacementTest, placementTest } from './placement.ts';
import type { PolicySet, Sourced } from './types.ts';

/** Scopes of a repository by folder. */
export type Scopes = ReadonlyMap<string, Sourced<PolicyScopeDocument>>;

/** Indexes the scopes of a set by folder. */
export const scopesOf = (set: Pick<PolicySet, 'scopes'>): Scopes =>
  new Map(set.scopes.map((scope) => [parentOf(scope.source.path), scope]));

/** Returns the scopes that a file lies in, the outermost first. */
export const scopesAbove = (path: string, scopes: Scopes): readonly Sourced<PolicyScopeDocument>[] => {
  if (scopes.size === 0) return [];
  const found: Sourced<PolicyScopeDocument>[] = [];
  for (let folder = parentOf(path); folder !== ''; folder = parentOf(folder)) {
    const scope = scopes.get(folder);
    if (scope !== undefined) found.unshift(scope);
  }
  return found;
};

/**
 * Whether the placement of a scope selects a cluster. An unregistered cluster is in no scope.
 * Enclosing scopes are not checked.
 */
export const isInScope = (scope: PolicyScopeDocument, cluster: ManagedClusterDocument | undefined, regions: RegionResolver): boolean =>
  cluster !== undefined && placementTest(scope.spec.placement, regions)(cluster);

/**
 * Returns a test for each folder with a scope: whether a cluster is in that scope and in all
 * enclosing ones.
 */
export const scopeTests = (scopes: Scopes, regions: RegionResolver): ReadonlyMap<string, PlacementTest> => {
  const alone = new Map([...scopes].map(([folder, { document }]) => [folder, placementTest(document.spec.placement, regions)]));
  return new Map(
    [...scopes.keys()].map((folder) => {
      const around = scopesAbove(`${folder}/`, scopes).flatMap(({ source }) => alone.get(parentOf(source.path)) ?? []);
      return [folder, (cluster) => around.every((selects) => selects(cluster))];
    }),
  );
};
