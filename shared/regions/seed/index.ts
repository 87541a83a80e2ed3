import type { CatalogRegion, CatalogZone, RegionCatalogSpec } from '../../api/index.ts';
import { AWS } from './aws.ts';
import { AZURE } from './azure.ts';
import { GOOGLE } from './google.ts';
import { GROUPS } from './groups.ts';
import { ORACLE } from './oracle.ts';
import { ALIBABA, HETZNER, IBM, OVHCLOUD, SCALEWAY } from './others.ts';
import { PLACES } from './places.ts';
import type { PartitionSeed, ProviderSeed } from './provider-seed.ts';

const PROVIDERS: Readonly<Record<string, ProviderSeed>> = {
  aws: AWS,
  azure: AZURE,
  gcp: GOOGLE,
  oci: ORACLE,
  ibm: IBM,
  alibaba: ALIBABA,
  ovh: OVHCLOUD,
  scaleway: SCALEWAY,
  hetzner: HETZNER,
};

const zonesOf = (zones: Readonly<Record<string, keyof typeof PLACES>>): CatalogZone[] =>
  Object.entries(zones).map(([name, place]) => {
    const [country, latitude, longitude] = PLACES[place];
    return { name, country, place, latitude, longitude };
  });

const partitionRegions = (provider: string, partition: string, { source, operator, regions }: PartitionSeed): CatalogRegion[] =>
  Object.entries(regions).map(([region, value]) => {
    const { zones, place, ...more } = typeof value === 'string' ? { place: value } : value;
    const [country, latitude, longitude] = PLACES[place];
    return {
      provider,
      region,
      partition,
      ...(operator === undefined ? {} : { operator }),
      ...more,
      country,
      place,
      latitude,
      longitude,
      ...(zones === undefined ? {} : { zones: zonesOf(zones) }),
      source,
    };
  });

/**
 * Regions of the public clouds, as published by the providers. Each release contains them, and `fso
 * regions update` writes them into a repository.
 */
export const SEED_CATALOG: RegionCatalogSpec = {
  version: '2026-11-30',
  regions: Object.entries(PROVIDERS).flatMap(([provider, partitions]) =>
    Object.entries(partitions).flatMap(([partition, seed]) => partitionRegions(provider, partition, seed)),
  ),
  groups: [...GROUPS],
};
