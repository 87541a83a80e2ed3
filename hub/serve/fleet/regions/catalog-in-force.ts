import type { RegionPage, RegionPlace, RegionView } from '@fso/shared/api';
import type { PolicySet } from '@fso/shared/decode';
import { type CatalogIndex, indexCatalog, type Reading, readingOf } from '@fso/shared/regions';
import { SEED_CATALOG } from '@fso/shared/regions/seed';
import { weakMemo } from '@fso/shared/runtime';

/** Catalogue that defines the shown places. */
export interface CatalogInForce extends Pick<RegionPage['catalog'], 'source'> {
  readonly index: CatalogIndex;
}

const indexOf = weakMemo(indexCatalog);

/**
 * Returns the catalogue of a commit. Without one, that of this release is used for display only.
 */
export const catalogInForce = (set: Pick<PolicySet, 'catalog'> | undefined): CatalogInForce => {
  const spec = set?.catalog?.document.spec;
  return { index: indexOf(spec ?? SEED_CATALOG), source: spec === undefined ? 'release' : 'repository' };
};

const coordinatesOf = ({ region, zone }: Reading): RegionPlace['coordinates'] => {
  const { latitude, longitude } = zone ?? region;
  return latitude === undefined || longitude === undefined ? null : [latitude, longitude];
};

const placeOf = (reading: Reading): RegionPlace => ({
  country: reading.country,
  place: reading.place,
  coordinates: coordinatesOf(reading),
  partition: reading.region.partition,
  operator: reading.region.operator ?? null,
});

/**
 * Finds the place of a region. Without a provider it is known only if all providers with that name
 * mean the same country; otherwise `readings` lists their meanings.
 */
export const locateRegion = (catalog: CatalogIndex, region: string, provider: string | null): Pick<RegionView, 'place' | 'readings'> => {
  if (provider !== null) {
    const reading = readingOf(catalog, provider, region);
    return { place: reading === undefined ? null : placeOf(reading), readings: [] };
  }
  const readings = catalog.names.get(region) ?? [];
  const [first] = readings;
  if (first === undefined) return { place: null, readings: [] };
  if (readings.every(({ country }) => country === first.country)) {
    const cities = [...new Set(readings.map(({ place }) => place))];
    return { place: { ...placeOf(first), place: cities.join(' or '), partition: null, operator: null }, readings: [] };
  }
  return { place: null, readings: readings.map(({ provider: by, country }) => ({ provider: by, country })) };
};
