/** Content of a node's `spec.providerID`: the provider, and the place if it names one. */
export interface ProviderPlace {
  /** Id of the provider in the catalogue. */
  readonly provider: string;
  readonly region?: string;
  readonly zone?: string;
}

/**
 * Keys of regions, which OCIDs and node labels use instead of the names.
 *
 * @see https://docs.oracle.com/en-us/iaas/Content/General/Concepts/regions.htm
 */
const OCI_KEYS: ReadonlyMap<string, string> = new Map([
  ['fra', 'eu-frankfurt-1'],
  ['iad', 'us-ashburn-1'],
  ['lhr', 'uk-london-1'],
  ['phx', 'us-phoenix-1'],
]);

/** Whether two names of a provider denote the same region: OCI's `iad` is `us-ashburn-1`. */
export const areSameRegion = (provider: string, left: string, right: string): boolean => {
  const whole = (name: string): string => (provider === 'oci' ? (OCI_KEYS.get(name) ?? name) : name);
  return whole(left) === whole(right);
};

/** Returns a part of a path; undefined if it is empty. */
const part = (path: string, index: number): string | undefined => path.split('/')[index] || undefined;

const zoneOf = (provider: string, zone: string | undefined): ProviderPlace => (zone === undefined ? { provider } : { provider, zone });
const regionOf = (provider: string, region: string | undefined): ProviderPlace =>
  region === undefined ? { provider } : { provider, region };

/**
 * Formats that the cloud controllers write, by scheme: aws:///eu-west-1a/i-0,
 * gce://project/zone/name, alicloud://cn-hangzhou.i-0, oci://ocid1.instance.oc1.eu-frankfurt-1.id,
 * scaleway://instance/fr-par-1/id.
 */
const SCHEMES: ReadonlyMap<string, (path: string) => ProviderPlace> = new Map([
  ['alicloud', (path: string) => regionOf('alibaba', path.split('.')[0] || undefined)],
  ['aws', (path: string) => zoneOf('aws', part(path, 1))],
  ['azure', () => ({ provider: 'azure' })],
  ['gce', (path: string) => zoneOf('gcp', part(path, 1))],
  ['hcloud', () => ({ provider: 'hetzner' })],
  ['ibm', () => ({ provider: 'ibm' })],
  ['oci', (path: string) => ocid(path) ?? { provider: 'oci' }],
  ['scaleway', (path: string) => zoneOf('scaleway', part(path, 1))],
]);

const OCID = /^ocid1\.[a-z]+\.[a-z0-9]+\.([a-z0-9-]+)\./;
const ocid = (text: string): ProviderPlace | undefined => {
  const [match, region] = OCID.exec(text) ?? [];
  return match === undefined ? undefined : regionOf('oci', region);
};

/** `cn-hangzhou.i-bp1…`: Alibaba's controller writes no scheme. */
const ALIBABA = /^([a-z]+(?:-[a-z0-9]+)+)\.i-[a-z0-9]+$/;

/** Longest providerID that is parsed. Real ones have at most a few hundred characters. */
const MAX_LENGTH = 2048;

/** Parses `spec.providerID`. @returns undefined if its provider is unknown */
export const parseProviderId = (providerID: string | undefined): ProviderPlace | undefined => {
  if (providerID === undefined || providerID.length > MAX_LENGTH) return undefined;
  const [scheme = '', path] = providerID.split('://', 2);
  if (path !== undefined) return SCHEMES.get(scheme)?.(path);
  return ocid(providerID) ?? (ALIBABA.test(providerID) ? regionOf('alibaba', ALIBABA.exec(providerID)?.[1]) : undefined);
};
