import type { Geometry, Position } from 'geojson';
import { feature } from 'topojson-client';
import countries from 'world-atlas/countries-110m.json' with { type: 'json' };

/**
 * Handling of borders across the 180th meridian, which a flat map would draw across the whole
 * world.
 */

const crosses = (ring: readonly Position[]): boolean =>
  ring.some(([longitude = 0], index) => Math.abs(longitude - (ring[index - 1]?.[0] ?? longitude)) > 180);

/** Moves the points west of the meridian beyond 180° east, so that Chukotka stays with Russia. */
const unwrapRing = (ring: readonly Position[]): Position[] =>
  crosses(ring) ? ring.map(([longitude = 0, latitude = 0]) => [longitude < 0 ? longitude + 360 : longitude, latitude]) : [...ring];

/** @returns the same shape, whose borders do not cross the meridian */
export const unwrap = (geometry: Geometry): Geometry => {
  if (geometry.type === 'Polygon') return { ...geometry, coordinates: geometry.coordinates.map(unwrapRing) };
  if (geometry.type === 'MultiPolygon') return { ...geometry, coordinates: geometry.coordinates.map((polygon) => polygon.map(unwrapRing)) };
  return geometry;
};

/**
 * Countries of Natural Earth at 1:110,000,000, which are in the public domain. They are part of the
 * page, and never fetched from elsewhere.
 */

type Topology = Parameters<typeof feature>[0];
type Geometries = Parameters<typeof feature>[1];

const topology = countries as unknown as Topology & { readonly objects: { readonly countries: Geometries } };
const world = feature(topology, topology.objects.countries);
const features = world.type === 'FeatureCollection' ? world.features : [world];

/**
 * Map of the world without Antarctica, which has no cloud regions and would take a quarter of the
 * map.
 */
export const WORLD_MAP = {
  type: 'FeatureCollection',
  features: features
    .filter(({ properties }) => properties?.['name'] !== 'Antarctica')
    .map((country) => ({ ...country, geometry: unwrap(country.geometry) })),
} as const;
