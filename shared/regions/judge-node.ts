import { type CatalogIndex, type Reading, readingOf } from './catalog-index.ts';
import { areSameRegion, type ProviderPlace, parseProviderId } from './provider-id.ts';

/** Statements of a node about where it is. */
export interface NodeFacts {
  /** `spec.providerID`. */
  readonly providerID?: string | undefined;
  /** Label `topology.kubernetes.io/region`. */
  readonly region?: string | undefined;
  /** Label `topology.kubernetes.io/zone`. */
  readonly zone?: string | undefined;
}

/**
 * confirmed: the providerID names the region of the label, or is of a provider whose regions no
 * other has, and the catalogue has the region. disputed: providerID, zone and region contradict
 * each other. unchecked: nothing contradicts the label, and nothing but the label says it.
 */
export type NodeVerdict = 'confirmed' | 'disputed' | 'unchecked';

/** Region, country and provider of a node, as far as its labels and providerID agree. */
export interface NodeJudgement {
  /** Provider by `spec.providerID`, else the default. Counts for nothing where it is disputed. */
  readonly provider?: string;
  /**
   * Region by which the locks know the node: its zone where that has a country of its own, else its
   * label. Absent: it has no label, or is disputed.
   */
  readonly region?: string;
  /** ISO 3166-1 alpha-2. Absent: not known, or disputed. */
  readonly country?: string;
  readonly verdict: NodeVerdict;
  /** Reason why it is disputed or cannot be checked, for people. */
  readonly reason?: string;
}

interface Labelled {
  readonly place: ProviderPlace | undefined;
  readonly provider: string | undefined;
  readonly region: string;
  readonly zone: string | undefined;
}

/**
 * Finds where a node is, as far as what it says can be compared with the catalogue. Pure.
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

/** The first contradiction in what a node says; undefined: there is none. */
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

/** A name that only other providers have, where the providerID names a provider and no place. */
const foreignName = (provider: string, region: string, catalog: CatalogIndex): string | undefined => {
  const others = catalog.names.get(region) ?? [];
  if (others.length === 0 || !catalog.providers.has(provider) || readingOf(catalog, provider, region) !== undefined) return undefined;
  return `spec.providerID says ${provider}, which has no region ${region}; ${others.map((reading) => reading.provider).join(', ')} has`;
};

/**
 * The region that a providerID names. Zones begin with the name of their region, so one that the
 * catalogue does not have either is in the region of the label, or contradicts it.
 */
const statedRegion = (place: ProviderPlace | undefined, label: string, catalog: CatalogIndex): string | undefined => {
  if (place?.zone === undefined) return place?.region;
  return regionOfZone(catalog, place.provider, place.zone) ?? (place.zone.startsWith(label) ? label : place.zone);
};

/**
 * The region of a provider that the name of a zone begins with: `eu-west-1a`, `europe-west1-b`,
 * `EU-FRANKFURT-1-AD-1`; undefined: it names none that the catalogue has.
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
 * Finds what the catalogue has on a node. Without a provider only a zone in a country of its own is
 * looked for, of any provider: a region that several have gives no country.
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

/** Azure's providerID names no place, but no other provider has names like those of its regions. */
const hasPlace = ({ provider, region, zone }: ProviderPlace): boolean => region !== undefined || zone !== undefined || provider === 'azure';
