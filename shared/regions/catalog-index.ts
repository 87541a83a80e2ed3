import type { CatalogRegion, CatalogZone, RegionCatalogSpec } from '../api/index.ts';
import { groupBy } from '../encoding/index.ts';

/**
 * Place that a provider's name stands for: a region, or a zone in another country than its region.
 */
export interface Reading {
  readonly provider: string;
  /** Name of the region, or of the zone. */
  readonly name: string;
  readonly region: CatalogRegion;
  /** Set if the name is that of a zone. */
  readonly zone: CatalogZone | undefined;
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
  /** City or area. */
  readonly place: string;
}

/** A catalogue of regions, by provider and by name. */
export interface CatalogIndex {
  /** Version of the data, which every status reports. */
  readonly version: string;
  readonly spec: RegionCatalogSpec;
  /** Readings by name, by provider. */
  readonly providers: ReadonlyMap<string, ReadonlyMap<string, Reading>>;
  /** Readings of each name, in the order of the catalogue. */
  readonly names: ReadonlyMap<string, readonly Reading[]>;
}

const regionReading = (region: CatalogRegion): Reading => ({
  provider: region.provider,
  name: region.region,
  region,
  zone: undefined,
  country: region.country,
  place: region.place,
});

const zoneReading = (region: CatalogRegion, zone: CatalogZone): Reading => ({
  provider: region.provider,
  name: zone.name,
  region,
  zone,
  country: zone.country,
  place: zone.place ?? region.place,
});

/** Indexes a catalogue. Zones in another country are indexed like regions. */
export const indexCatalog = (spec: RegionCatalogSpec): CatalogIndex => {
  const readings = spec.regions.flatMap((region) => [
    regionReading(region),
    ...(region.zones ?? []).map((zone) => zoneReading(region, zone)),
  ]);
  const providers = [...groupBy(readings, ({ provider }) => provider)].map(
    ([provider, named]) => [provider, new Map(named.map((reading) => [reading.name, reading]))] as const,
  );
  return { version: spec.version, spec, providers: new Map(providers), names: groupBy(readings, ({ name }) => name) };
};

/** Returns the place that a provider's name stands for; undefined if the catalogue lacks it. */
export const readingOf = (catalog: CatalogIndex, provider: string, name: string): Reading | undefined =>
  catalog.providers.get(provider)?.get(name);
