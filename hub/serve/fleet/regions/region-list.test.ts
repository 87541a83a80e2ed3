import { type ClusterPage, RegionPage, type RegionView } from '@fso/shared/api';
import type { SourceFile } from '@fso/shared/decode';
import { SEED_CATALOG } from '@fso/shared/regions/seed';
import { describe, expect, it } from 'vitest';
import { clusterReport, desiredOf, REVISION, reportChange } from '../../testing/fleet.ts';
import { started } from '../../testing/requests.ts';

const file = (path: string, kind: string, name: string, spec: object): SourceFile => ({
  path,
  text: JSON.stringify({ apiVersion: 'compliance.federated.io/v1', kind, metadata: { name }, spec }),
});
const clusterFile = (name: string, regions: string[], provider?: string): SourceFile =>
  file(`clusters/${name}.yaml`, 'ManagedCluster', name, { regions, ...(provider === undefined ? {} : { provider }) });
const policyFile = (name: string, allowedRegions: string[]): SourceFile =>
  file(`policies/${name}.yaml`, 'SovereignPolicy', name, { targetNamespace: name, allowedRegions });
const CATALOG = file('regions/catalog.yaml', 'RegionCatalog', 'catalog', SEED_CATALOG);

/** A hub with these files and clusters, and what it lists. */
const listing = async (files: readonly SourceFile[], nodes: Readonly<Record<string, Record<string, number>>> = {}) => {
  const server = await started();
  await server.ledger.setDesired(desiredOf(REVISION, files));
  for (const [cluster, nodesByRegion] of Object.entries(nodes))
    await reportChange(server.ledger, cluster, { full: true, cluster: { ...clusterReport(), nodesByRegion } });
  const read = async (path: string): Promise<unknown> => (await fetch(`${server.url}/api/v1/${path}`)).json();
  const list = async (query = ''): Promise<RegionPage> => RegionPage.parse(await read(`regions?${query}`));
  const clusters = async (query: string): Promise<string[]> =>
    ((await read(`clusters?${query}`)) as typeof ClusterPage._output).items.map(({ name }) => name);
  return { read, list, clusters, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
};

const where = ({ region, provider, place }: RegionView): string =>
  `${provider ?? '?'}/${region} ${place === null ? '?' : `${place.country} ${place.place}`}`;

const TWO_PROVIDERS = [
  CATALOG,
  clusterFile('eu', ['eu-west-1'], 'aws'),
  clusterFile('us', ['eu-west-1'], 'alibaba'),
  policyFile('finance', ['eu-west-1']),
  policyFile('hr', ['aws/eu-west-1']),
];

describe('regions', () => {
  it('are places: one name is a row of its own for each provider of clusters', async () => {
    await using hub = await listing(TWO_PROVIDERS, { eu: { 'eu-west-1': 3, '': 1 }, us: { 'eu-west-1': 2, 'eu-west-9': 1 } });
    const { items, catalog, nodesWithoutRegion } = await hub.list();
    expect(catalog).toEqual({ version: SEED_CATALOG.version, source: 'repository' });
    expect(nodesWithoutRegion).toBe(1);
    expect(items.map((row) => [where(row), row.clusters, row.nodes, row.policies, row.groups])).toEqual([
      ['alibaba/eu-west-1 GB London', ['us'], 2, 1, []],
      ['aws/eu-west-1 IE Dublin', ['eu'], 3, 2, ['eea', 'eu', 'eu-ch']],
      ['alibaba/eu-west-9 ?', ['us'], 1, 0, []],
    ]);
  });

  it('are nowhere where no provider is registered and providers mean different countries', async () => {
    await using hub = await listing([clusterFile('eu', ['eu-west-1', 'eu-central-1', 'cellar-1']), policyFile('finance', ['westeurope'])]);
    const { items, catalog } = await hub.list();
    // The data of the release, as the repository has no catalogue.
    expect(catalog).toEqual({ version: SEED_CATALOG.version, source: 'release' });
    expect(items.map(where)).toEqual([
      '?/cellar-1 ?',
      '?/eu-central-1 DE Frankfurt',
      '?/eu-west-1 ?',
      '?/us-east-1 US Ashburn',
      '?/westeurope NL Middenmeer',
    ]);
    // Of which provider it is stays open.
    expect(items.find(({ region }) => region === 'eu-central-1')?.place).toMatchObject({ partition: null, operator: null });
    expect(items.find(({ region }) => region === 'eu-west-1')?.readings).toEqual([
      { provider: 'aws', country: 'IE' },
      { provider: 'alibaba', country: 'GB' },
    ]);
  });

  it('come in pages, also where one name is a row for each of two providers', async () => {
    await using hub = await listing(TWO_PROVIDERS, { eu: { 'eu-west-1': 3 }, us: { 'eu-west-1': 2, 'eu-west-9': 1 } });
    const all = (await hub.list()).items.map(where);
    const paged: string[] = [];
    for (let next: string | null = ''; next !== null; ) {
      const page: RegionPage = await hub.list(`limit=1${next && `&cursor=${next}`}`);
      expect([page.items.length, page.total, page.catalog.source]).toEqual([1, 3, 'repository']);
      paged.push(...page.items.map(where));
      next = page.next;
    }
    expect(paged).toEqual(all);
    expect(new Set(paged).size).toBe(3);
    expect(await hub.read('regions?cursor=x')).toMatchObject({ status: 400, detail: expect.stringContaining('cursor') });
  });

  it('have a zone of another country as a place of its own', async () => {
    await using hub = await listing(TWO_PROVIDERS, { eu: { 'eu-central-1-ist-1a': 1 } });
    const zone = (await hub.list()).items.find(({ region }) => region === 'eu-central-1-ist-1a');
    expect(zone?.place).toMatchObject({ country: 'TR', place: 'Istanbul', coordinates: [41.01, 28.98] });
  });

  it('filter clusters by provider and country', async () => {
    await using hub = await listing(TWO_PROVIDERS);
    expect(await hub.clusters('provider=aws')).toEqual(['eu']);
    expect(await hub.clusters('country=GB')).toEqual(['us']);
    expect(await hub.clusters('country=FR')).toEqual([]);
    expect(await hub.read('clusters?country=XX')).toMatchObject({
      status: 400,
      detail: 'query parameter country: must be a country code of ISO 3166-1 (DE)',
    });
  });
});
