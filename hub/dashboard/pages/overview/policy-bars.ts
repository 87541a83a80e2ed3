import type { RegionView } from '@fso/shared/api';

/** Regions that a policy allows, those of most policies first. */
export const barsOf = (regions: readonly RegionView[]): RegionView[] =>
  regions.filter(({ policies }) => policies > 0).toSorted((a, b) => b.policies - a.policies || a.region.localeCompare(b.region, 'en'));
