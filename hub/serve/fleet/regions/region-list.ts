import type { RegionList, RegionView } from '@fso/shared/api';
import type { PolicySet } from '@fso/shared/decode';
import { byText } from '@fso/shared/encoding';
import { type CatalogIndex, readingOf } from '@fso/shared/regions';
import type { ListInput } from '../../http/paging.ts';
import { type ClusterEntry, type NamedViolation, providerOf } from '../cluster-entry.ts';
import type { Fleet } from '../fleet-index.ts';
import type { PolicyEntry } from '../policy-entry.ts';
import { catalogInForce, locateRegion } from './catalog-in-force.ts';

/** Regions that a cluster is registered with, and those that its nodes are in. */
export const regionsOf = ({ registration, record }: ClusterEntry): ReadonlySet<string> => {
  const inhabited = Object.entries(record.report?.nodesByRegion ?? {}).flatMap(([region, nodes]) =>
    nodes > 0 && region !== '' ? [region] : [],
  );
  return new Set([...(registration?.spec.regions ?? []), ...inhabited]);
};

/** Whether a region of a cluster is in a country, as far as the catalogue knows. */
export const isInCountry = (entry: ClusterEntry, country: string): boolean => {
  const { index } = catalogInForce(entry.desired?.set);
  return [...regionsOf(entry)].some((region) => locateRegion(index, region, providerOf(entry.registration)).place?.country === country);
};

const groupsOf = (set: PolicySet | undefined, region: string): string[] =>
  (set?.regionGroups ?? [])
    .filter(({ document }) => document.spec.regions.includes(region))
    .map(({ document }) => document.metadata.name)
    .sort(byText);

/** Rows of the list, made as they are asked for. */
class RegionRows {
  readonly #rows = new Map<string, RegionView>();
  readonly #set: PolicySet | undefined;
  readonly #catalog: CatalogIndex;

  constructor(set: PolicySet | undefined, catalog: CatalogIndex) {
    this.#set = set;
    this.#catalog = catalog;
  }

  at(provider: string | null, region: string): RegionView {
    const key = `${provider ?? ''}/${region}`;
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const where = locateRegion(this.#catalog, region, provider);
    const row: RegionView = {
      region,
      provider,
      ...where,
      groups: groupsOf(this.#set, region),
      policies: 0,
      clusters: [],
      nodes: 0,
      violations: 0,
    };
    this.#rows.set(key, row);
    return row;
  }

  list(): RegionView[] {
    return [...this.#rows.values()].sort((a, b) => byText(a.region, b.region) || byText(a.provider ?? '', b.provider ?? ''));
  }
}

/** Providers by which the names of a policy are read: those of the fleet that have the name. */
const readersOf = (region: string, providers: ReadonlySet<string | null>, catalog: CatalogIndex): readonly (string | null)[] => {
  const readers = [...providers].filter((provider) => provider === null || readingOf(catalog, provider, region) !== undefined);
  return readers.length === 0 ? [null] : readers;
};

/**
 * Lists every region that a policy allows, a cluster or node is in, or a violation runs in; by
 * name, once for each provider of clusters.
 *
 * @throws the signal's reason
 */
export const listRegions = async (fleet: Fleet, { work, signal }: ListInput): Promise<RegionList> => {
  const set = fleet.desired()?.set;
  const { index, source } = catalogInForce(set);
  const rows = new RegionRows(set, index);
  // Before the first pause, after which the fleet is another one.
  const [policies, members, violations] = [fleet.policies(), fleet.members(), fleet.violations()];
  const providers = new Map(members.map((entry) => [entry.record.name, providerOf(entry.registration)]));
  const known = new Set(providers.values());

  const addPolicy = ({ head }: PolicyEntry): void => {
    for (const region of head()?.effectiveRegions ?? [])
      for (const provider of readersOf(region, known, index)) rows.at(provider, region).policies += 1;
  };
  const addCluster = (entry: ClusterEntry): void => {
    const provider = providerOf(entry.registration);
    for (const region of regionsOf(entry)) rows.at(provider, region).clusters.push(entry.record.name);
    for (const [region, nodes] of Object.entries(entry.record.report?.nodesByRegion ?? {}))
      if (region !== '' && nodes > 0) rows.at(provider, region).nodes += nodes;
  };
  const addViolation = ({ view: { cluster, region } }: NamedViolation): void => {
    if (region !== undefined) rows.at(providers.get(cluster) ?? null, region).violations += 1;
  };
  await work.each(policies, addPolicy, signal);
  await work.each(members, addCluster, signal);
  await work.each(violations, addViolation, signal);
  return {
    items: rows.list(),
    nodesWithoutRegion: members.reduce((sum, { record }) => sum + (record.report?.nodesByRegion[''] ?? 0), 0),
    catalog: { version: index.version, source },
  };
};
