import { AWS } from './regions/aws.ts';
import { AZURE } from './regions/azure.ts';
import { GOOGLE } from './regions/google.ts';
import { ALIBABA, HETZNER, IBM, ORACLE, OVHCLOUD, SCALEWAY } from './regions/others.ts';
import { PLACES, type Place } from './regions/places.ts';

/**
 * Regions of public clouds as they stand in the node label `topology.kubernetes.io/region`, and
 * where they are, by what each provider publishes (as of 2026; the documents are named beside each
 * list).
 *
 * A name is at one place only. Where two clouds use the same name (Alibaba's `eu-west-1` is London,
 * that of AWS is Dublin), it is the one of AWS.
 */
const CLOUDS = {
  AWS,
  'Microsoft Azure': AZURE,
  'Google Cloud': GOOGLE,
  'Oracle Cloud': ORACLE,
  'IBM Cloud': IBM,
  'Alibaba Cloud': ALIBABA,
  OVHcloud: OVHCLOUD,
  Scaleway: SCALEWAY,
  'Hetzner Cloud': HETZNER,
} as const;

export interface CloudRegion {
  readonly region: string;
  readonly provider: keyof typeof CLOUDS;
  readonly place: Place;
  /** Degrees, north is positive. */
  readonly latitude: number;
  /** Degrees, east is positive. */
  readonly longitude: number;
}

const cloudRegion = (provider: keyof typeof CLOUDS, region: string, place: Place): CloudRegion => {
  const [latitude, longitude] = PLACES[place];
  return { region, provider, place, latitude, longitude };
};

const providers = Object.keys(CLOUDS) as readonly (keyof typeof CLOUDS)[];

/** All of them, a name more than once if two lists had it. */
export const CLOUD_REGIONS: readonly CloudRegion[] = providers.flatMap((provider) =>
  Object.entries(CLOUDS[provider]).map(([region, place]) => cloudRegion(provider, region, place)),
);

const byName: ReadonlyMap<string, CloudRegion> = new Map(CLOUD_REGIONS.map((known) => [known.region, known]));

/** @returns undefined for an unpublished region: one of a private cloud, or a new one */
export const findCloudRegion = (region: string): CloudRegion | undefined => byName.get(region);
