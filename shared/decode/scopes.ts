import type { ManagedClusterDocument, PolicyScopeDocument } from '../api/index.ts';
import type { RegionResolver } from '../regions/index.ts';
import { parentOf } from './paths.ts';
import { type PlacementTest, placementTest } from './placement.ts';
import type { PolicySet, Sourced } from './types.ts';

/** The scopes of a repository, by their folder. */
export type Scopes = ReadonlyMap<string, Sourced<PolicyScopeDocument>>;

/** The scopes of a set, by their folder. */
export const scopesOf = (set: Pick<PolicySet, 'scopes'>): Scopes =>
  new Map(set.scopes.map((scope) => [parentOf(scope.source.path), scope]));

/** The scopes that a file lies in, the outermost first. */
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
 * Whether a cluster is in a scope; one that is not registered is in none. The scopes around it are
 * asked for by themselves.
 */
export const isInScope = (scope: PolicyScopeDocument, cluster: ManagedClusterDocument | undefined, regions: RegionResolver): boolean =>
  cluster !== undefined && placementTest(scope.spec.placement, regions)(cluster);

/** Tests, by folder with a scope, of whether a cluster is in it and in those around it. */
export const scopeTests = (scopes: Scopes, regions: RegionResolver): ReadonlyMap<string, PlacementTest> => {
  const alone = new Map([...scopes].map(([folder, { document }]) => [folder, placementTest(document.spec.placement, regions)]));
  return new Map(
    [...scopes.keys()].map((folder) => {
      const around = scopesAbove(`${folder}/`, scopes).flatMap(({ source }) => alone.get(parentOf(source.path)) ?? []);
      return [folder, (cluster) => around.every((selects) => selects(cluster))];
    }),
  );
};
