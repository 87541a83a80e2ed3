import type { ConnectionOf, MapRegion, Spot } from './map-regions.ts';

/**
 * Miller's cylindrical projection: a Mercator projection with compressed high latitudes, so that
 * Europe is large enough for its many regions and the poles do not fill the page. Snyder, Map
 * Projections: A Working Manual (USGS 1395), section 11.
 */

type Point = readonly [x: number, y: number];

const RADIANS = Math.PI / 180;

/**
 * @param point [longitude, latitude] in degrees
 * @returns x to the east and y to the south, in radians at the equator
 */
export const project = ([longitude, latitude]: Point): [number, number] => [
  longitude * RADIANS,
  -1.25 * Math.log(Math.tan(Math.PI / 4 + 0.4 * latitude * RADIANS)),
];

/** Inverse of {@link project}. */
export const unproject = ([x, y]: Point): [number, number] => [
  x / RADIANS,
  (2.5 * (Math.atan(Math.exp(-0.8 * y)) - Math.PI / 4)) / RADIANS,
];

/**
 * Layout of the markers. Distances between markers of one place are in pixels, so that they hold at
 * any zoom.
 */

const COLUMN_PX = 22;
const CLUSTER_PX = 9;
const BELOW_PX = 15;
/** Most clusters with markers of their own. More share one marker with their number. */
const MAX_CLUSTERS = 4;
/**
 * Distance in pixels below which the clusters of several places share one marker, until the user
 * zooms in.
 */
const NEAR_PX = 44;

interface MarkerPosition {
  /** Degrees. */
  readonly longitude: number;
  readonly latitude: number;
  /** Offset from that position in pixels, to the right and down. */
  readonly offset: readonly [x: number, y: number];
}

/** Marker of a region, beside others of the same city. */
export interface RegionMarker extends MarkerPosition {
  readonly region: MapRegion;
}

/** Marker of the clusters in a city. Cities close to each other share one. */
export interface ClusterMarker extends MarkerPosition {
  /** Regions of the clusters; several if cities share the marker. */
  readonly regions: readonly MapRegion[];
  readonly clusters: readonly string[];
  /** Number of these clusters that are known to be connected. */
  readonly connected: number;
}

export interface Markers {
  readonly regions: readonly RegionMarker[];
  readonly clusters: readonly ClusterMarker[];
}

type KnownRegion = MapRegion & { readonly spot: Spot };
const isKnown = (region: MapRegion): region is KnownRegion => region.spot !== undefined;

/** Regions of one city. */
interface City {
  readonly spot: Spot;
  readonly columns: readonly { readonly region: KnownRegion; readonly x: number }[];
  readonly clusters: number;
}

/**
 * Groups regions by city. Regions of one city, such as those of several clouds, are drawn side by
 * side.
 */
const citiesOf = (regions: readonly MapRegion[]): City[] =>
  [...Map.groupBy(regions.filter(isKnown), ({ spot }) => spot.city).values()].flatMap((together) => {
    const [first] = together;
    if (first === undefined) return [];
    const columns = together.map((region, index) => ({ region, x: (index - (together.length - 1) / 2) * COLUMN_PX }));
    return [{ spot: first.spot, columns, clusters: together.reduce((sum, { clusters }) => sum + clusters.length, 0) }];
  });

const distance = (a: Spot, b: Spot): number => {
  const [ax, ay] = project([a.longitude, a.latitude]);
  const [bx, by] = project([b.longitude, b.latitude]);
  return Math.hypot(ax - bx, ay - by);
};

/**
 * Groups cities with clusters whose markers would overlap, the city with the most clusters first.
 */
const gather = (cities: readonly City[], pxPerRadian: number): City[][] => {
  const groups: [City, ...City[]][] = [];
  for (const city of cities.filter(({ clusters }) => clusters > 0).toSorted((a, b) => b.clusters - a.clusters)) {
    const group = groups.find(([first]) => distance(first.spot, city.spot) * pxPerRadian < NEAR_PX);
    if (group === undefined) groups.push([city]);
    else group.push(city);
  }
  return groups;
};

type Mark = (regions: readonly KnownRegion[], clusters: readonly string[], x: number, y: number) => ClusterMarker;

const marking =
  ({ longitude, latitude }: Spot, connectionOf: ConnectionOf): Mark =>
  (regions, clusters, x, y) => ({
    longitude,
    latitude,
    offset: [x, BELOW_PX + y],
    regions,
    clusters,
    connected: clusters.filter((name) => connectionOf(name) === 'Connected').length,
  });

const columnMarkers = (region: KnownRegion, x: number, mark: Mark): ClusterMarker[] => {
  const { clusters } = region;
  if (clusters.length > MAX_CLUSTERS) return [mark([region], clusters, x, 2)];
  const wide = Math.min(2, clusters.length);
  return clusters.map((name, index) =>
    mark([region], [name], x + ((index % 2) - (wide - 1) / 2) * CLUSTER_PX, Math.floor(index / 2) * CLUSTER_PX),
  );
};

const groupMarkers = (group: readonly City[], connectionOf: ConnectionOf): ClusterMarker[] => {
  const [first] = group;
  if (first === undefined) return [];
  const mark = marking(first.spot, connectionOf);
  if (group.length === 1) return first.columns.flatMap(({ region, x }) => columnMarkers(region, x, mark));
  const regions = group.flatMap(({ columns }) => columns.map(({ region }) => region)).filter(({ clusters }) => clusters.length > 0);
  return [mark(regions, [...new Set(regions.flatMap(({ clusters }) => clusters))], 0, 2)];
};

/**
 * Lays out the markers. Regions without a known location have none: they are listed beside the map.
 *
 * @param pxPerRadian scale of the map at the current zoom
 */
export const layOut = (regions: readonly MapRegion[], connectionOf: ConnectionOf, pxPerRadian: number): Markers => {
  const cities = citiesOf(regions);
  return {
    regions: cities.flatMap(({ columns }) =>
      columns.map(({ region, x }) => ({
        region,
        longitude: region.spot.longitude,
        latitude: region.spot.latitude,
        offset: [x, 0] as const,
      })),
    ),
    clusters: gather(cities, pxPerRadian).flatMap((group) => groupMarkers(group, connectionOf)),
  };
};

/** Part of the map that is shown. */
export interface View {
  /** Centre on the projected map, or in per cent of it. */
  readonly center: readonly [x: number | string, y: number | string];
  /** 1 for the whole world. */
  readonly zoom: number;
}

/** View of the whole map. */
export const WORLD_VIEW: View = { center: ['50%', '50%'], zoom: 1 };
const MAX_ZOOM = 6;
/** Largest share of the map that the shown places fill. */
const FILL = 0.6;

const middle = (values: readonly number[]): number => (Math.min(...values) + Math.max(...values)) / 2;
const spread = (values: readonly number[]): number => Math.max(...values) - Math.min(...values);

/** @returns the closest reasonable view that shows all places; the world if there are none */
export const viewOf = (places: readonly Pick<Spot, 'latitude' | 'longitude'>[]): View => {
  if (places.length === 0) return WORLD_VIEW;
  const points = places.map(({ longitude, latitude }) => project([longitude, latitude]));
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, top] = project([-180, 84]);
  const [right, bottom] = project([180, -56]);
  const share = Math.max(spread(xs) / (right - left), spread(ys) / (bottom - top));
  return { center: [middle(xs), middle(ys)], zoom: Math.min(MAX_ZOOM, Math.max(1, FILL / share)) };
};
