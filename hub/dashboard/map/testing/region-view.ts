import type { RegionPlace, RegionView } from '@fso/shared/api';

const KNOWN: Readonly<Record<string, readonly [provider: string, country: string, place: string, latitude: number, longitude: number]>> = {
  'ap-south-1': ['aws', 'IN', 'Mumbai', 19.08, 72.88],
  'eu-central-1': ['aws', 'DE', 'Frankfurt', 50.11, 8.68],
  'eu-west-1': ['aws', 'IE', 'Dublin', 53.35, -6.26],
  'eu-west-2': ['aws', 'GB', 'London', 51.51, -0.13],
  'eu-west-3': ['aws', 'FR', 'Paris', 48.86, 2.35],
  'europe-west3': ['gcp', 'DE', 'Frankfurt', 50.11, 8.68],
  germanywestcentral: ['azure', 'DE', 'Frankfurt', 50.11, 8.68],
  'us-east-1': ['aws', 'US', 'Ashburn', 39.04, -77.49],
  'us-west-2': ['aws', 'US', 'Hillsboro', 45.52, -122.99],
};

const locate = (region: string): { readonly provider: string | null; readonly place: RegionPlace | null } => {
  const known = KNOWN[region];
  if (known === undefined) return { provider: null, place: null };
  const [provider, country, place, latitude, longitude] = known;
  return { provider, place: { country, place, coordinates: [latitude, longitude], partition: provider, operator: null } };
};

/** Creates the view of a region. Only the places of a few public cloud regions are known. */
export const regionView = (region: string, change: Partial<RegionView> = {}): RegionView => ({
  region,
  ...locate(region),
  readings: [],
  groups: [],
  policies: 0,
  clusters: [],
  nodes: 0,
  violations: 0,
  ...change,
});
