import { z } from 'zod';
import { CountryCode, gitDocument, ProviderId, Region, RegionReference } from '../common.ts';

/** Path of the catalogue of regions in a repository. */
export const CATALOG_PATH = 'regions/catalog.yaml';

const PlaceName = z.string().min(1).max(128);
const Day = z.iso.date();
const Latitude = z.number().min(-90).max(90);
const Longitude = z.number().min(-180).max(180);

/** Zone in another country than its region. */
export const CatalogZone = z.strictObject({
  name: Region.describe('The zone, as in the node label topology.kubernetes.io/zone.'),
  country: CountryCode.describe('ISO 3166-1 alpha-2, other than that of the region.'),
  place: PlaceName.optional(),
  latitude: Latitude.optional(),
  longitude: Longitude.optional(),
});
/** Zone in another country than its region. Policies read it as a region of its own. */
export type CatalogZone = z.infer<typeof CatalogZone>;

/** Region of a provider: its country, partition and zones abroad. */
export const CatalogRegion = z.strictObject({
  provider: ProviderId,
  region: Region.describe('As in the node label topology.kubernetes.io/region.'),
  partition: z
    .string()
    .min(1)
    .max(63)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be lowercase letters, digits and hyphens (aws-eusc)')
    .describe('Regions with accounts, control plane and law of their own: aws, aws-cn, aws-us-gov, aws-eusc.'),
  operator: z.string().min(1).max(128).optional().describe('The legal entity that operates it, where the provider names one.'),
  country: CountryCode.describe('ISO 3166-1 alpha-2.'),
  zones: z.array(CatalogZone).max(100).optional().describe('Zones in another country than the region; the others have its country.'),
  place: PlaceName.describe('City or area, as the provider publishes it.'),
  latitude: Latitude,
  longitude: Longitude,
  since: Day.optional().describe('Day on which it opened.'),
  until: Day.optional().describe('First day (UTC) on which it is closed: from then on it is inside of no policy.'),
  source: z.string().min(1).max(512).describe('Where the provider publishes this.'),
});
export type CatalogRegion = z.infer<typeof CatalogRegion>;

/** Group of regions that the catalogue defines. */
export const CatalogGroup = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(63)
    .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'must be lowercase letters, digits, dots and hyphens (eu)'),
  members: z.array(RegionReference).min(1).max(1000),
  exclude: z.array(RegionReference).max(1000).optional().describe('References that are taken out of the members.'),
  terms: z
    .array(
      z.strictObject({
        member: RegionReference.describe('One of the members.'),
        since: Day.optional().describe('First day (UTC) of the membership.'),
        until: Day.optional().describe('First day (UTC) on which it is no member any more.'),
      }),
    )
    .max(1000)
    .optional()
    .describe('Members that join or leave on a known day.'),
});
/** Group of regions that the catalogue defines, such as `eu`. */
export type CatalogGroup = z.infer<typeof CatalogGroup>;

/** Regions of providers, and their groups. */
export const RegionCatalogSpec = z.strictObject({
  version: z
    .string()
    .min(1)
    .max(63)
    .regex(/^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/, 'must be letters, digits, dots and hyphens (2026-11-30)')
    .describe('Version of the data, shown wherever it is used.'),
  regions: z.array(CatalogRegion).min(1).max(2000),
  groups: z.array(CatalogGroup).max(100),
});
export type RegionCatalogSpec = z.infer<typeof RegionCatalogSpec>;

/**
 * Catalogue of the meaning of region names: provider, country and place of each. At most one per
 * repository, in {@link CATALOG_PATH}, so that a commit means the same regions to every version of
 * hub and agent.
 */
export const RegionCatalogDocument = gitDocument('RegionCatalog', RegionCatalogSpec);
export type RegionCatalogDocument = z.infer<typeof RegionCatalogDocument>;
