import type { ConnectionState, RegionView } from '@fso/shared/api';
import { count } from '@fso/shared/text';
import { placeNote, regionText } from '../lib/region-text.ts';

/** States and texts of a region, for the map and its table. */

/**
 * State of a region.
 *
 * - violated: a pod runs there that a policy forbids
 * - inUse: a cluster or nodes are there
 * - allowed: a policy allows it, and nothing is there
 */
export type RegionState = 'violated' | 'inUse' | 'allowed';

/** Spot on the map. */
export interface Spot {
  /** Name of the city, with its country. */
  readonly city: string;
  /** Degrees, north is positive. */
  readonly latitude: number;
  /** Degrees, east is positive. */
  readonly longitude: number;
}

const spotOf = ({ place }: RegionView): Spot | undefined => {
  if (place?.coordinates == null) return undefined;
  const [latitude, longitude] = place.coordinates;
  return { city: `${place.country} ${place.place}`, latitude, longitude };
};

/** Creates the view of a region of which only the name is known. */
export const unknownRegion = (region: string): RegionView => ({
  region,
  provider: null,
  place: null,
  readings: [],
  groups: [],
  policies: 1,
  clusters: [],
  nodes: 0,
  violations: 0,
});

/** Region with its state, its text and its spot on the map. */
export interface MapRegion extends RegionView {
  readonly state: RegionState;
  /** Unique text: `Ireland (aws/eu-west-1)`. */
  readonly text: string;
  /** Undefined if its place is unknown. */
  readonly spot: Spot | undefined;
}

/** Lookup of a cluster's connection; undefined if unknown. */
export type ConnectionOf = (cluster: string) => ConnectionState | undefined;

const stateOf = ({ violations, nodes, clusters }: RegionView): RegionState => {
  if (violations > 0) return 'violated';
  return nodes > 0 || clusters.length > 0 ? 'inUse' : 'allowed';
};

const RANK: Readonly<Record<RegionState, number>> = { violated: 0, inUse: 1, allowed: 2 };

/** Orders regions by urgency, then by use. */
const compare = (a: MapRegion, b: MapRegion): number =>
  RANK[a.state] - RANK[b.state] ||
  b.violations - a.violations ||
  b.nodes - a.nodes ||
  b.policies - a.policies ||
  a.text.localeCompare(b.text, 'en');

/** @returns all regions, in the order in which they are listed */
export const toMapRegions = (views: readonly RegionView[]): MapRegion[] =>
  views.map((view) => ({ ...view, state: stateOf(view), text: regionText(view), spot: spotOf(view) })).toSorted(compare);

export const STATE_TEXTS: Readonly<Record<RegionState, string>> = { violated: 'Violated', inUse: 'In use', allowed: 'Allowed' };

/** @returns lines of text, the first of which is the name */
export const describeRegion = (region: MapRegion): string[] => {
  const { text, state, policies, clusters, nodes, violations } = region;
  return [
    text,
    placeNote(region),
    `${STATE_TEXTS[state]}: ${violations === 0 ? 'no listed violations' : `${count(violations, 'listed violation')}`}`,
    policies === 0 ? 'no policy allows it' : `allowed by ${count(policies, 'policy', 'policies')}`,
    `${count(clusters.length, 'cluster')}, ${count(nodes, 'node')}`,
  ];
};

interface RegionCounts {
  readonly violated: number;
  readonly inUse: number;
  readonly allowed: number;
}

/** Counts regions by state. */
export const countStates = (regions: readonly MapRegion[]): RegionCounts => {
  const counts = { violated: 0, inUse: 0, allowed: 0 };
  for (const { state } of regions) counts[state] += 1;
  return counts;
};

/** Returns the regions that policies allow, those of the most policies first. */
export const sortByPolicies = (regions: readonly RegionView[]): RegionView[] =>
  regions.filter(({ policies }) => policies > 0).toSorted((a, b) => b.policies - a.policies || a.region.localeCompare(b.region, 'en'));
