import { REGION_LABEL, type RegionCatalogSpec, ZONE_LABEL } from '@fso/shared/api';
import { digestOfPolicies } from '@fso/shared/compile';
import type { KubeClient, Node } from '@fso/shared/kube';
import type { CommitPlaces } from '../../agent/cache/index.ts';
import { digestOfPlaces, savePlaces } from '../../agent/intake/places-store.ts';
import { ensureNamespace, saveState } from '../../agent/intake/state-store.ts';

const regionOf = (provider: string, region: string, country: string, zones?: { name: string; country: string }[]) => ({
  provider,
  region,
  partition: provider,
  country,
  place: region,
  latitude: 0,
  longitude: 0,
  source: 'https://example.com/regions',
  ...(zones && { zones }),
});

/** Zone of `eu-central-1` in another country. */
export const ISTANBUL = 'eu-central-1-ist-1a';

/** Catalogue in which two providers use one name for different places. */
export const CATALOG: RegionCatalogSpec = {
  version: 'test-1',
  regions: [
    regionOf('aws', 'eu-central-1', 'DE', [{ name: ISTANBUL, country: 'TR' }]),
    regionOf('aws', 'eu-west-1', 'IE'),
    regionOf('aws', 'us-east-1', 'US', [{ name: 'us-east-1-lim-1a', country: 'PE' }]),
    regionOf('alibaba', 'eu-central-1', 'DE'),
    regionOf('alibaba', 'eu-west-1', 'GB'),
    regionOf('gcp', 'us-central1', 'US'),
    regionOf('oci', 'us-ashburn-1', 'US'),
  ],
  groups: [],
};

/** Labels and providerID of a node that name its place. */
export interface NodeText {
  readonly region?: string;
  readonly zone?: string;
  readonly providerID?: string;
}

/** Creates a node that kwok simulates, large enough that capacity never decides. */
export const nodeAt = (
  name: string,
  { region, zone, providerID }: NodeText,
  more: { readonly labels?: Readonly<Record<string, string>>; readonly taints?: readonly object[] } = {},
): Node => {
  const size = { cpu: '256', memory: '1Ti', pods: '5000' };
  const places = { ...(region !== undefined && { [REGION_LABEL]: region }), ...(zone !== undefined && { [ZONE_LABEL]: zone }) };
  const node = {
    metadata: {
      name,
      labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', ...places, ...more.labels },
      annotations: { 'kwok.x-k8s.io/node': 'fake' },
    },
    spec: { ...(providerID !== undefined && { providerID }), taints: more.taints ?? [] },
    status: { allocatable: size, capacity: size },
  };
  return node as unknown as Node;
};

/**
 * Stores in a cluster what an agent stores of a commit without policies. The next agent resumes
 * with it, as after a restart without its hub.
 */
export const acceptPlaces = async (client: KubeClient, places: CommitPlaces, signal: AbortSignal): Promise<void> => {
  await ensureNamespace(client, signal);
  await savePlaces(client, places, undefined, signal);
  const verification = { state: 'unverified' } as const;
  const commit = { revision: 'a'.repeat(40), verification, registration: undefined, trust: undefined };
  const digest = digestOfPolicies([]);
  await saveState(client, { ...commit, digest, places: digestOfPlaces(places), policies: new Map() }, signal);
};
