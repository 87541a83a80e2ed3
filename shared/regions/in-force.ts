import type { ClusterPolicySpec, RegionConflict } from '../api/index.ts';

/** Regions that a policy allows in one cluster at one time. */
export interface RegionsInForce {
  /** Names in the order of the policy. The policy's own array if no region is left out. */
  readonly regions: readonly string[];
  /** Conflicts because of which regions are left out. */
  readonly conflicts: readonly RegionConflict[];
}

/** Start of a day in UTC, in milliseconds. */
const startOf = (day: string): number => Date.parse(`${day}T00:00:00Z`);

const isActive = ({ providers, from, until }: RegionConflict, present: ReadonlySet<string>, now: number): boolean =>
  providers.every((provider) => present.has(provider)) &&
  (from === undefined || startOf(from) <= now) &&
  (until === undefined || now < startOf(until));

/**
 * Returns the regions that a policy allows in a cluster. Leaves out names that a provider of the
 * cluster reads as another place, and regions that have ended.
 *
 * @param providers providers of the cluster's nodes; the registered provider is already part of the
 * conflicts
 * @param now milliseconds since 1970
 */
export const regionsInForce = (
  { allowedRegions, regionConflicts = [] }: Pick<ClusterPolicySpec, 'allowedRegions' | 'regionConflicts'>,
  providers: ReadonlySet<string>,
  now: number,
): RegionsInForce => {
  const conflicts = regionConflicts.filter((conflict) => isActive(conflict, providers, now));
  if (conflicts.length === 0) return { regions: allowedRegions, conflicts };
  const outside = new Set(conflicts.flatMap(({ regions }) => regions));
  return { regions: allowedRegions.filter((region) => !outside.has(region)), conflicts };
};

/**
 * Returns the conflicts that end regions of a policy in a cluster with these providers; undefined
 * if there are none.
 */
export const regionEnds = (
  { regionConflicts = [] }: Pick<ClusterPolicySpec, 'regionConflicts'>,
  providers: ReadonlySet<string>,
): readonly RegionConflict[] | undefined => {
  const ends = regionConflicts.filter((each) => each.from !== undefined && each.providers.every((provider) => providers.has(provider)));
  return ends.length === 0 ? undefined : ends;
};

/**
 * Returns the next time at which the result of {@link regionsInForce} changes by time alone, in
 * milliseconds since 1970; undefined if it never does.
 */
export const nextRegionChange = ({ regionConflicts = [] }: Pick<ClusterPolicySpec, 'regionConflicts'>, now: number): number | undefined => {
  const times = regionConflicts.flatMap(({ from, until }) => [from, until].flatMap((day) => (day === undefined ? [] : [startOf(day)])));
  const later = times.filter((time) => time > now);
  return later.length === 0 ? undefined : Math.min(...later);
};
