import { feature } from 'topojson-client';
import countries from 'world-atlas/countries-110m.json' with { type: 'json' };
import { unwrap } from './antimeridian.ts';

/** Countries of Natural Earth at 1:110,000,000, which are in the public domain; shipped with the page, never fetched from elsewhere. */

type Topology = Parameters<typeof feature>[0];
type Geometries = Parameters<typeof feature>[1];

const topology = countries as unknown as Topology & { readonly objects: { readonly countries: Geometries } };
const world = feature(topology, topology.objects.countries);
const features = world.type === 'FeatureCollection' ? world.features : [world];

/** Without Antarctica, where no cloud is and which would take a quarter of the map. */
export const WORLD_MAP = {
  type: 'FeatureCollection',
  features: features
    .filter(({ properties }) => properties?.['name'] !== 'Antarctica')
    .map((country) => ({ ...country, geometry: unwrap(country.geometry) })),
} as const;
