/** Content of a node's `spec.providerID`: the provider and, where it names one, the place. */
export interface ProviderPlace {
  /** Its id in the catalogue. */
  readonly provider: string;
  readonly region?: string;
  readonly zone?: string;
}

/**
 * Regions that OCIDs, and labels of their nodes, name by a key.
 *
 * @see https://docs.oracle.com/en-us/iaas/Content/General/Concepts/regions.htm
 */
const OCI_KEYS: ReadonlyMap<string, string> = new Map([
  ['fra', 'eu-frankfurt-1'],
  ['iad', 'us-ashburn-1'],
  ['lhr', 'uk-london-1'],
  ['phx', 'us-phoenix-1'],
]);

/** Whether two names are those of one region of a provider: `iad` is `us-ashburn-1` of OCI. */
export const areSameRegion = (provider: string, left: string, right: string): boolean => {
  const whole = (name: string): string => (provider === 'oci' ? (OCI_KEYS.get(name) ?? name) : name);
  return whole(left) === whole(right);
};

/** Part of a path; undefined where it is empty. */
const part = (path: string, index: number): string | undefined => path.split('/')[index] || undefined;

const zoneOf = (provider: string, zone: string | undefined): ProviderPlace => (zone === undefined ? { provider } : { provider, zone });
const regionOf = (provider: string, region: string | undefined): ProviderPlace =>
  region === undefined ? { provider } : { provider, region };

/**
 * The forms that the cloud controllers write, by scheme: aws:///eu-west-1a/i-0,
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

/** Longer ones are not read: a providerID has at most a few hundred characters. */
const MAX_LENGTH = 2048;

/** Reads `spec.providerID`. @returns undefined: it names no provider that is known here */
export const parseProviderId = (providerID: string | undefined): ProviderPlace | undefined => {
  if (providerID === undefined || providerID.length > MAX_LENGTH) return undefined;
  const [scheme = '', path] = providerID.split('://', 2);
  if (path !== undefined) return SCHEMES.get(scheme)?.(path);
  return ocid(providerID) ?? (ALIBABA.test(providerID) ? regionOf('alibaba', ALIBABA.exec(providerID)?.[1]) : undefined);
};
