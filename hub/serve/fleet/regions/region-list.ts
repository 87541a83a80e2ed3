import type { RegionPage, RegionView } from '@fso/shared/api';
import { regionsOf as resolverOf } from '@fso/shared/decode';
import { byText } from '@fso/shared/encoding';
import { type CatalogIndex, type RegionResolver, readingOf } from '@fso/shared/regions';
import { type ListInput, listPage, type Orders, type PageQuery } from '../../http/paging.ts';
import { type ClusterEntry, type NamedViolation, providerOf } from '../cluster-entry.ts';
import type { Fleet } from '../fleet-index.ts';
import type { PolicyEntry } from '../policy-entry.ts';
import { catalogInForce, locateRegion } from './catalog-in-force.ts';

/** Regions in the registration of a cluster, and those of its nodes. */
export const regionsOf = ({ registration, record }: ClusterEntry): ReadonlySet<string> => {
  const inhabited = Object.entries(record.report?.nodesByRegion ?? {}).flatMap(([region, nodes]) =>
    nodes > 0 && region !== '' ? [region] : [],
  );
  return new Set([...(registration?.spec.regions ?? []), ...inhabited]);
};

/** Whether a region of a cluster is in a country, according to the catalogue. */
export const isInCountry = (entry: ClusterEntry, country: string): boolean => {
  const { index } = catalogInForce(entry.desired?.set);
  return [...regionsOf(entry)].some((region) => locateRegion(index, region, providerOf(entry.registration)).place?.country === country);
};

/** Returns the names of the groups that contain a region, by region, as resolved for a provider. */
const groupsByRegion = (resolver: RegionResolver, provider: string | null): ReadonlyMap<string, readonly string[]> => {
  const names = [...resolver.groups.keys()].sort(byText);
  const pairs = names.flatMap((group) =>
    resolver.resolve([`group:${group}`], provider ?? undefined).regions.map((region) => ({ region, group })),
  );
  return new Map([...Map.groupBy(pairs, ({ region }) => region)].map(([region, found]) => [region, found.map(({ group }) => group)]));
};

/** Rows of the list, created on demand. */
class RegionRows {
  readonly #rows = new Map<string, RegionView>();
  readonly #groups = new Map<string | null, ReadonlyMap<string, readonly string[]>>();
  readonly #resolver: RegionResolver | undefined;
  readonly #catalog: CatalogIndex;

  constructor(resolver: RegionResolver | undefined, catalog: CatalogIndex) {
    this.#resolver = resolver;
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
      groups: this.#groupsOf(provider, region),
      policies: 0,
      clusters: [],
      nodes: 0,
      violations: 0,
    };
    this.#rows.set(key, row);
    return row;
  }

  /** Whether a provider has a region, by the catalogue or because it has clusters there. */
  has(provider: string, region: string): boolean {
    return readingOf(this.#catalog, provider, region) !== undefined || this.#rows.has(`${provider}/${region}`);
  }

  #groupsOf(provider: string | null, region: string): string[] {
    const groups =
      this.#groups.get(provider) ?? (this.#resolver && groupsByRegion(this.#resolver, provider)) ?? new Map<string, string[]>();
    this.#groups.set(provider, groups);
    return [...(groups.get(region) ?? [])];
  }

  values(): Iterable<RegionView> {
    return this.#rows.values();
  }
}

interface PolicyReading {
  readonly rows: RegionRows;
  /** Providers of the fleet's clusters; null: clusters without a provider. */
  readonly providers: ReadonlySet<string | null>;
  readonly resolver: RegionResolver | undefined;
}

/** Regions that a policy allows in clusters of a provider, as far as the provider has them. */
const namesFor = (provider: string | null, { head }: PolicyEntry, { rows, resolver }: PolicyReading): readonly string[] => {
  const { allowedRegions = [], effectiveRegions = [] } = head() ?? {};
  if (provider === null) return effectiveRegions;
  const names = resolver?.resolve(allowedRegions, provider).regions ?? [];
  return names.filter((region) => rows.has(provider, region));
};

/** Counts a policy in the regions that it allows, resolved for each provider of the fleet. */
const countPolicy = (policy: PolicyEntry, reading: PolicyReading): void => {
  const { rows, providers } = reading;
  const counted = new Set<string>();
  for (const provider of providers) {
    for (const region of namesFor(provider, policy, reading)) {
      rows.at(provider, region).policies += 1;
      counted.add(region);
    }
  }
  // Regions without any cluster have no provider.
  for (const region of namesFor(null, policy, reading)) if (!counted.has(region)) rows.at(null, region).policies += 1;
};

/** Number of cluster names that doubles the weight of a row. */
const CLUSTERS_PER_WEIGHT = 50;

const regionOrders: Orders<RegionView, 'name'> = {
  keyOf: ({ region, provider }) => `${region} ${provider ?? ''}`,
  by: { name: ({ region }) => region },
  weightOf: ({ clusters }) => clusters.length / CLUSTERS_PER_WEIGHT,
};

interface RegionInput extends ListInput {
  readonly query: PageQuery;
}

/**
 * Lists every region that a policy allows, that has clusters or nodes, or in which a violation
 * runs. Sorted by name, with one row per provider.
 *
 * @throws ApiError as {@link listPage}; the signal's reason
 */
export const listRegions = async (fleet: Fleet, { query, ...input }: RegionInput): Promise<RegionPage> => {
  const { work, signal } = input;
  const set = fleet.desired()?.set;
  const { index, source } = catalogInForce(set);
  const resolver = set && resolverOf(set);
  const rows = new RegionRows(resolver, index);
  // Read before the first pause: after it the index may have changed.
  const [policies, members, violations] = [fleet.policies(), fleet.members(), fleet.violations()];
  const providers = new Map(members.map(({ record, registration }) => [record.name, providerOf(registration)]));
  const reading = { rows, providers: new Set(providers.values()), resolver };

  const addCluster = (entry: ClusterEntry): void => {
    const provider = providerOf(entry.registration);
    for (const region of regionsOf(entry)) rows.at(provider, region).clusters.push(entry.record.name);
    for (const [region, nodes] of Object.entries(entry.record.report?.nodesByRegion ?? {}))
      if (region !== '' && nodes > 0) rows.at(provider, region).nodes += nodes;
  };
  const addViolation = ({ view: { cluster, region } }: NamedViolation): void => {
    if (region !== undefined) rows.at(providers.get(cluster) ?? null, region).violations += 1;
  };
  await work.each(members, addCluster, signal);
  await work.each(violations, addViolation, signal);
  await work.each(policies, (policy) => countPolicy(policy, reading), signal);
  const page = await listPage(rows.values(), { matches: () => true, orders: regionOrders, query: { ...query, sort: 'name' } }, input);
  return {
    ...page,
    nodesWithoutRegion: members.reduce((sum, { record }) => sum + (record.report?.nodesByRegion[''] ?? 0), 0),
    catalog: { version: index.version, source },
  };
};
