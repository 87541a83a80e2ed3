import type { CatalogRegion, RegionCatalogSpec } from '../../api/index.ts';

/** Catalogues for tests, independent of the data of a release. */

/** Builds a region from its reference and country, with placeholders for the other fields. */
export const region = (reference: string, country: string, rest: Partial<CatalogRegion> = {}): CatalogRegion => {
  const [provider = '', name = ''] = reference.split('/');
  return {
    provider,
    region: name,
    partition: provider,
    country,
    place: `Place of ${name}`,
    latitude: 0,
    longitude: 0,
    source: 'https://example.org/regions',
    ...rest,
  };
};

/** Small catalogue with names that two providers use in different countries. */
export const TEST_CATALOG: RegionCatalogSpec = {
  version: '2026-01-01',
  regions: [
    region('aws/eu-west-1', 'IE'),
    region('aws/eu-central-1', 'DE', { zones: [{ name: 'eu-central-1-ist-1a', country: 'TR', place: 'Istanbul' }] }),
    region('aws/us-east-1', 'US', { zones: [{ name: 'us-east-1-lim-1a', country: 'PE' }] }),
    region('aws/eusc-de-east-1', 'DE', { partition: 'aws-eusc' }),
    region('alibaba/eu-west-1', 'GB'),
    region('alibaba/eu-central-1', 'DE'),
    region('alibaba/cn-hangzhou', 'CN'),
    region('azure/westeurope', 'NL'),
    region('gcp/europe-west1', 'BE'),
    region('oci/eu-frankfurt-1', 'DE'),
    region('oci/us-ashburn-1', 'US'),
    region('hetzner/fsn1', 'DE'),
    region('scaleway/fr-par', 'FR'),
  ],
  groups: [
    { name: 'eu', members: ['country:BE', 'country:DE', 'country:FR', 'country:IE', 'country:NL'] },
    { name: 'eu-ch', members: ['group:eu', 'country:CH'] },
  ],
};
