import { type GroupDefinition, groupsWithin, indexCatalog, parseReference, RegionResolver } from '../regions/index.ts';
import { weakMemo } from '../runtime/index.ts';
import type { PolicySet } from './types.ts';

const indexOf = weakMemo(indexCatalog);

const definitionsOf = ({ regionGroups }: Pick<PolicySet, 'regionGroups'>): ReadonlyMap<string, GroupDefinition> =>
  new Map(regionGroups.map(({ document: { metadata, spec } }) => [metadata.name, { members: spec.regions, exclude: spec.exclude }]));

/**
 * Returns the resolver for the region references in a policy set, built from its region groups and
 * its catalogue.
 */
export const regionsOf: (set: Pick<PolicySet, 'regionGroups' | 'catalog'>) => RegionResolver = weakMemo(
  (set: Pick<PolicySet, 'regionGroups' | 'catalog'>) =>
    new RegionResolver(set.catalog && indexOf(set.catalog.document.spec), definitionsOf(set)),
);

/**
 * Returns the groups that references name, directly or through other groups, including groups of
 * the catalogue.
 */
export const groupsNamed = (references: readonly string[], set: Pick<PolicySet, 'regionGroups' | 'catalog'>): ReadonlySet<string> => {
  const names = references.map(parseReference).flatMap((parsed) => (parsed.type === 'group' ? [parsed.group] : []));
  return groupsWithin(regionsOf(set).groups, names);
};
