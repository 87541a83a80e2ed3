import { type CatalogIndex, type Reading, readingOf } from './catalog-index.ts';
import { areSameRegion, type ProviderPlace, parseProviderId } from './provider-id.ts';

/** Fields and labels of a node that state where it is. */
export interface NodeFacts {
  /** `spec.providerID`. */
  readonly providerID?: string | undefined;
  /** Label `topology.kubernetes.io/region`. */
  readonly region?: string | undefined;
  /** Label `topology.kubernetes.io/zone`. */
  readonly zone?: string | undefined;
}

/**
 * Verdict on the region label of a node.
 *
 * - confirmed: the catalogue has the region, and the providerID names it or is of a provider whose
 *   region names are unique
 * - disputed: providerID, zone and region contradict each other
 * - unchecked: nothing contradicts the label, and nothing else confirms it
 */
export type NodeVerdict = 'confirmed' | 'disputed' | 'unchecked';

/** Region, country and provider of a node, as far as its labels and providerID agree. */
export interface NodeJudgement {
  /** Provider of `spec.providerID`, else the default. Meaningless if the node is disputed. */
  readonly provider?: string;
  /**
   * Region that the locks use for the node: its zone if that is in another country than its region,
   * else the region label. Absent if the node has no label or is disputed.
   */
  readonly region?: string;
  /** ISO 3166-1 alpha-2. Absent if unknown or disputed. */
  readonly country?: string;
  readonly verdict: NodeVerdict;
  /** Reason why the node is disputed or cannot be checked, for people. */
  readonly reason?: string;
}

interface Labelled {
  readonly place: ProviderPlace | undefined;
  readonly provider: string | undefined;
  readonly region: string;
  readonly zone: string | undefined;
}

/**
 * Determines where a node is, by comparing its fields and labels with the catalogue. Pure.
 *
 * @param defaultProvider provider of the cluster's registration, for nodes that name none
 */
export const judgeNode = (
  { providerID, region, zone }: NodeFacts,
  catalog: CatalogIndex | undefined,
  defaultProvider?: string,
): NodeJudgement => {
  const place = parseProviderId(providerID);
  const provider = place?.provider ?? defaultProvider;
  const known = provider === undefined ? {} : { provider };
  if (region === undefined || region === '') return { ...known, verdict: 'unchecked', reason: 'it has no region label' };
  if (catalog === undefined) return { ...known, region, verdict: 'unchecked', reason: 'there is no catalogue of regions' };
  const node: Labelled = { place, provider, region, zone: zone === '' ? undefined : zone };
  const dispute = contradiction(node, catalog);
  if (dispute !== undefined) return { ...known, verdict: 'disputed', reason: dispute };
  const reading = nodeReading(node, catalog);
  const where = { ...known, region: reading?.zone?.name ?? region, ...(reading === undefined ? {} : { country: reading.country }) };
  const doubt = uncheckedReason(node, reading);
  return doubt === undefined ? { ...where, verdict: 'confirmed' } : { ...where, verdict: 'unchecked', reason: doubt };
};

/** First contradiction between the fields and labels of a node; undefined if there is none. */
const contradiction = ({ place, provider, region, zone }: Labelled, catalog: CatalogIndex): string | undefined => {
  if (provider === undefined) return undefined;
  const stated = statedRegion(place, region, catalog);
  if (stated !== undefined && !areSameRegion(provider, stated, region))
    return `spec.providerID says ${provider}/${stated}, the region label ${region}`;
  if (place?.zone !== undefined && zone !== undefined && place.zone !== zone)
    return `spec.providerID says zone ${place.zone}, the zone label ${zone}`;
  const ofZone = zone && regionOfZone(catalog, provider, zone);
  if (ofZone && !areSameRegion(provider, ofZone, region))
    return `zone ${zone} is in ${provider}/${ofZone}, the region label says ${region}`;
  return place !== undefined && stated === undefined ? foreignName(provider, region, catalog) : undefined;
};

/**
 * Contradiction of a region name that only other providers have. It is only looked for if the
 * providerID names a provider and no place.
 */
const foreignName = (provider: string, region: string, catalog: CatalogIndex): string | undefined => {
  const others = catalog.names.get(region) ?? [];
  if (others.length === 0 || !catalog.providers.has(provider) || readingOf(catalog, provider, region) !== undefined) return undefined;
  return `spec.providerID says ${provider}, which has no region ${region}; ${others.map((reading) => reading.provider).join(', ')} has`;
};

/**
 * Region that a providerID names. The name of a zone begins with that of its region. So a zone that
 * the catalogue lacks is in the region of the label, or contradicts the label.
 */
const statedRegion = (place: ProviderPlace | undefined, label: string, catalog: CatalogIndex): string | undefined => {
  if (place?.zone === undefined) return place?.region;
  return regionOfZone(catalog, place.provider, place.zone) ?? (place.zone.startsWith(label) ? label : place.zone);
};

/**
 * Finds the region of a provider that the name of a zone begins with: `eu-west-1a`,
 * `europe-west1-b`, `EU-FRANKFURT-1-AD-1`. Undefined if the catalogue has none.
 */
const regionOfZone = (catalog: CatalogIndex, provider: string, zone: string): string | undefined => {
  const known = catalog.providers.get(provider);
  if (known === undefined) return undefined;
  for (let name = zone; name !== ''; name = name.slice(0, Math.max(0, name.lastIndexOf('-')))) {
    for (const candidate of [name, name.replace(/[a-z]$/i, '')]) {
      const reading = known.get(candidate) ?? known.get(candidate.toLowerCase());
      if (reading !== undefined) return reading.region.region;
    }
  }
  return undefined;
};

/**
 * Looks up a node in the catalogue. If its provider is unknown, only zones in another country than
 * their region are searched: the name of a region can be used by several providers, and tells no
 * country.
 */
const nodeReading = ({ place, provider, region, zone }: Labelled, catalog: CatalogIndex): Reading | undefined => {
  const zones = [place?.zone, zone].filter((name) => name !== undefined);
  if (provider === undefined) return zones.flatMap((name) => catalog.names.get(name) ?? []).find((reading) => reading.zone !== undefined);
  const own = zones.map((name) => readingOf(catalog, provider, name)).find((reading) => reading?.zone !== undefined);
  return own ?? readingOf(catalog, provider, region);
};

const uncheckedReason = ({ place, provider, region }: Labelled, reading: Reading | undefined): string | undefined => {
  if (provider === undefined) return 'its provider is not known';
  if (reading === undefined) return `the catalogue has no ${provider}/${region}`;
  if (place === undefined) return 'it has no spec.providerID that names a provider';
  return hasPlace(place) ? undefined : `spec.providerID of ${provider} names no place`;
};

/**
 * Whether a providerID determines the place of a node. Azure's names no place, but no other
 * provider uses names like Azure's regions.
 */
const hasPlace = ({ provider, region, zone }: ProviderPlace): boolean => region !== undefined || zone !== undefined || provider === 'azure';
