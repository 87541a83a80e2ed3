import type { CloudRegion } from './cloud-regions.ts';
import type { ConnectionOf, MapRegion, RegionState } from './map-regions.ts';
import { project } from './projection.ts';

/** Where what stands on the map. Distances between markers of one place are in pixels, so that they hold at any zoom. */

const COLUMN_PX = 18;
const CLUSTER_PX = 9;
const BELOW_PX = 15;
/** More of them are one marker with their number. */
const MAX_CLUSTERS = 4;

interface Placed {
  /** Degrees. */
  readonly longitude: number;
  readonly latitude: number;
  /** Pixels to the right and down from there. */
  readonly offset: readonly [x: number, y: number];
}

export interface RegionMarker extends Placed {
  readonly region: MapRegion;
}

export interface ClusterMarker extends Placed {
  readonly region: string;
  readonly state: RegionState;
  readonly clusters: readonly string[];
  /** Of these, how many are known to be connected. */
  readonly connected: number;
}

type KnownRegion = MapRegion & { readonly known: CloudRegion };
const isKnown = (region: MapRegion): region is KnownRegion => region.known !== undefined;

/** Regions of one city (that of several clouds, say) stand beside each other. */
const columns = (regions: readonly MapRegion[]): { readonly region: KnownRegion; readonly x: number }[] =>
  [...Map.groupBy(regions.filter(isKnown), ({ known }) => known.place).values()].flatMap((together) =>
    together.map((region, index) => ({ region, x: (index - (together.length - 1) / 2) * COLUMN_PX })),
  );

const clusterMarkers = ({ region, state, known, clusters }: KnownRegion, x: number, connectionOf: ConnectionOf): ClusterMarker[] => {
  const { longitude, latitude } = known;
  const marker = (names: readonly string[], dx: number, dy: number): ClusterMarker => ({
    longitude,
    latitude,
    offset: [x + dx, BELOW_PX + dy],
    region,
    state,
    clusters: names,
    connected: names.filter((name) => connectionOf(name) === 'Connected').length,
  });
  if (clusters.length > MAX_CLUSTERS) return [marker(clusters, 0, 2)];
  const wide = Math.min(2, clusters.length);
  return clusters.map((name, index) => marker([name], ((index % 2) - (wide - 1) / 2) * CLUSTER_PX, Math.floor(index / 2) * CLUSTER_PX));
};

/** Regions whose place nobody knows have no marker: they are listed beside the map. */
export const layOut = (
  regions: readonly MapRegion[],
  connectionOf: ConnectionOf,
): { readonly regions: readonly RegionMarker[]; readonly clusters: readonly ClusterMarker[] } => {
  const placed = columns(regions);
  return {
    regions: placed.map(({ region, x }) => {
      const { longitude, latitude } = region.known;
      return { region, longitude, latitude, offset: [x, 0] };
    }),
    clusters: placed.flatMap(({ region, x }) => clusterMarkers(region, x, connectionOf)),
  };
};

export interface View {
  /** On the projected map, or in per cent of it. */
  readonly center: readonly [x: number | string, y: number | string];
  /** 1 = the whole world. */
  readonly zoom: number;
}

export const WORLD: View = { center: ['50%', '50%'], zoom: 1 };
const MAX_ZOOM = 6;
/** Share of the map that what is looked at may take. */
const FILL = 0.6;

const middle = (values: readonly number[]): number => (Math.min(...values) + Math.max(...values)) / 2;
const spread = (values: readonly number[]): number => Math.max(...values) - Math.min(...values);

/** @returns the view that shows all of these, as near as is sensible; the world if there are none */
export const viewOf = (places: readonly Pick<CloudRegion, 'latitude' | 'longitude'>[]): View => {
  if (places.length === 0) return WORLD;
  const points = places.map(({ longitude, latitude }) => project([longitude, latitude]));
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, top] = project([-180, 84]);
  const [right, bottom] = project([180, -56]);
  const share = Math.max(spread(xs) / (right - left), spread(ys) / (bottom - top));
  return { center: [middle(xs), middle(ys)], zoom: Math.min(MAX_ZOOM, Math.max(1, FILL / share)) };
};
