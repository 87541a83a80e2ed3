import { byText } from '../encoding/index.ts';
import type { PolicySet } from './types.ts';

export const GROUP_PREFIX = 'group:';

/** The group that a region reference names, if it names one. */
export const groupOf = (reference: string): string | undefined =>
  reference.startsWith(GROUP_PREFIX) ? reference.slice(GROUP_PREFIX.length) : undefined;

/** Regions of each group, by the group's name. */
export type RegionGroups = ReadonlyMap<string, readonly string[]>;

/** The region groups of a set of documents. */
export const regionGroupsOf = (set: Pick<PolicySet, 'regionGroups'>): RegionGroups =>
  new Map(set.regionGroups.map(({ document }) => [document.metadata.name, document.spec.regions]));

/**
 * Replaces groups by their regions; sorted, without duplicates. An unknown group stands for no
 * region: a typo never widens a policy.
 */
export const expandRegions = (references: readonly string[], groups: RegionGroups): readonly string[] => {
  const regions = references.flatMap((reference) => {
    const group = groupOf(reference);
    return group === undefined ? [reference] : (groups.get(group) ?? []);
  });
  return [...new Set(regions)].sort(byText);
};
