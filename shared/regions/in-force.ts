import type { ClusterPolicySpec, RegionConflict } from '../api/index.ts';

/** The regions that a policy allows in one cluster, at one time. */
export interface RegionsInForce {
  /** Names in the order of the policy; the same list where none is left out. */
  readonly regions: readonly string[];
  /** Conflicts by which some are left out. */
  readonly conflicts: readonly RegionConflict[];
}

/** Start of a day in UTC, in milliseconds. */
const startOf = (day: string): number => Date.parse(`${day}T00:00:00Z`);

const isActive = ({ providers, from, until }: RegionConflict, present: ReadonlySet<string>, now: number): boolean =>
  providers.every((provider) => present.has(provider)) &&
  (from === undefined || startOf(from) <= now) &&
  (until === undefined || now < startOf(until));

/**
 * The regions that a policy allows in a cluster: without those that a provider of the cluster reads
 * as another place, and those that have ended.
 *
 * @param providers of the cluster's nodes; that of its registration is in the conflicts already
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

/** Conflicts by which regions of a policy end in a cluster of these providers; undefined: none. */
export const regionEnds = (
  { regionConflicts = [] }: Pick<ClusterPolicySpec, 'regionConflicts'>,
  providers: ReadonlySet<string>,
): readonly RegionConflict[] | undefined => {
  const ends = regionConflicts.filter((each) => each.from !== undefined && each.providers.every((provider) => providers.has(provider)));
  return ends.length === 0 ? undefined : ends;
};

/**
 * Finds when {@link regionsInForce} changes next by time alone, in milliseconds since 1970;
 * undefined: never.
 */
export const nextRegionChange = ({ regionConflicts = [] }: Pick<ClusterPolicySpec, 'regionConflicts'>, now: number): number | undefined => {
  const times = regionConflicts.flatMap(({ from, until }) => [from, until].flatMap((day) => (day === undefined ? [] : [startOf(day)])));
  const later = times.filter((time) => time > now);
  return later.length === 0 ? undefined : Math.min(...later);
};
