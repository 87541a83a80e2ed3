import type { RegionCatalogSpec } from '../../api/index.ts';

/**
 * The catalogue that this release brings along: `fso regions update` writes it into a repository,
 * and the dashboard shows places by it. Hub and agent never decide by it.
 */
export const SEED_CATALOG: RegionCatalogSpec = {
  version: '2026-11-30',
  regions: [
    {
      provider: 'aws',
      region: 'eu-west-1',
      partition: 'aws',
      country: 'IE',
      place: 'Dublin',
      latitude: 53.35,
      longitude: -6.26,
      source: 'https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html',
    },
    {
      provider: 'alibaba',
      region: 'eu-west-1',
      partition: 'alibaba',
      country: 'GB',
      place: 'London',
      latitude: 51.51,
      longitude: -0.13,
      source: 'https://www.alibabacloud.com/help/en/ecs/user-guide/regions-and-zones',
    },
  ],
  groups: [{ name: 'eu', members: ['country:DE', 'country:IE'] }],
};
