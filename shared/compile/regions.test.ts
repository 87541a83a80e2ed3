import { describe, expect, it } from 'vitest';
import type { RegionCatalogSpec } from '../api/index.ts';
import { catalogFile, clusterFile, groupFile, policyFile, scopeFile, setOf } from '../decode/testing/decoded.ts';
import { region, TEST_CATALOG } from '../regions/testing/catalogue.ts';
import { compileCluster, compileFleet } from './compile.ts';

const CATALOG = catalogFile(TEST_CATALOG);
const FLEET = [
  clusterFile('alibaba', ['eu-west-1'], {}, 'alibaba'),
  clusterFile('aws', ['eu-west-1'], {}, 'aws'),
  clusterFile('onprem', ['berlin']),
];
const compiled = (allowedRegions: string[], cluster: string, catalog = CATALOG) =>
  compileCluster(setOf(catalog, ...FLEET, policyFile('p', { allowedRegions })), cluster).policies[0];

describe('references', () => {
  it.each<[string, string[]]>([
    ['aws', ['eu-central-1', 'eu-west-1', 'eusc-de-east-1']],
    ['alibaba', ['eu-central-1']],
    ['onprem', ['eu-central-1', 'eu-frankfurt-1', 'eu-west-1', 'europe-west1', 'eusc-de-east-1', 'fr-par', 'fsn1', 'westeurope']],
  ])('stand in %s for what its provider means', (cluster, regions) => {
    expect(compiled(['group:eu'], cluster)?.effectiveRegions).toEqual(regions);
    expect(compiled(['group:eu'], cluster)?.spec.allowedRegions).toEqual(regions);
  });

  it('carry what the other providers mean by a name', () => {
    expect(compiled(['group:eu'], 'aws')?.spec.regionConflicts).toEqual([{ providers: ['alibaba'], regions: ['eu-west-1'] }]);
    expect(compiled(['group:eu'], 'alibaba')?.spec).not.toHaveProperty('regionConflicts');
    expect(compiled(['eu-west-1'], 'onprem')?.spec.regionConflicts).toEqual([{ providers: ['alibaba', 'aws'], regions: ['eu-west-1'] }]);
    expect(compiled(['us-east-1'], 'onprem')?.spec).not.toHaveProperty('regionConflicts');
  });

  it('compile as without a catalogue where they are names of one place', () => {
    const files = [...FLEET.slice(2), policyFile('p', { allowedRegions: ['us-east-1', 'westeurope', 'berlin'] }), groupFile('g', ['a'])];
    expect(compileCluster(setOf(CATALOG, ...files), 'onprem')).toEqual(compileCluster(setOf(...files), 'onprem'));
  });

  it('are compiled once for clusters whose regions read the same', () => {
    const fleet = compileFleet(setOf(CATALOG, ...FLEET, policyFile('p', { allowedRegions: ['us-east-1'] })));
    expect(new Set([...fleet.values()].map(({ policies }) => policies[0])).size).toBe(1);
  });
});

describe('the digest of a commit with a catalogue', () => {
  const files = [CATALOG, ...FLEET, policyFile('p', { allowedRegions: ['group:eu', 'country:US', 'eu-west-1'] })];

  it('is the same for the whole fleet and for one cluster', () => {
    const set = setOf(...files);
    for (const [cluster, { digest }] of compileFleet(set)) expect(compileCluster(setOf(...files), cluster).digest).toBe(digest);
  });

  it('changes with the catalogue where policies mean something else', () => {
    const moved: RegionCatalogSpec = { ...TEST_CATALOG, regions: [...TEST_CATALOG.regions, region('aws/eu-south-9', 'IE')] };
    const other: RegionCatalogSpec = { ...TEST_CATALOG, version: '2', regions: [...TEST_CATALOG.regions, region('aws/il-9', 'IL')] };
    const digestOf = (catalog: RegionCatalogSpec): string => compileCluster(setOf(catalogFile(catalog), ...files.slice(1)), 'aws').digest;
    expect(digestOf(moved)).not.toBe(digestOf(TEST_CATALOG));
    // A version of its own, and regions that no policy means, change no digest.
    expect(digestOf(other)).toBe(digestOf(TEST_CATALOG));
  });
});

describe('placements by reference', () => {
  const selectedBy = (clusterRegions: string[]): string[] => {
    const scoped = { ...policyFile('p'), path: 'policies/team/p.yaml' };
    const set = setOf(CATALOG, ...FLEET, scopeFile('policies/team', { clusterRegions }), scoped);
    return [...compileFleet(set)].flatMap(([cluster, { policies }]) => (policies.length > 0 ? [cluster] : []));
  };

  it.each<[string, string[]]>([
    ['eu-west-1', ['alibaba', 'aws']],
    ['aws/eu-west-1', ['aws']],
    ['country:GB', ['alibaba']],
    ['group:eu', ['aws']],
    ['country:DE', []],
  ])('%s selects clusters by what their provider means', (reference, clusters) => {
    expect(selectedBy([reference])).toEqual(clusters);
  });

  it('select a cluster without a provider by what any provider means', () => {
    const set = setOf(CATALOG, clusterFile('bare', ['eu-west-1']), policyFile('p', { placement: { clusterRegions: ['country:GB'] } }));
    expect(compileCluster(set, 'bare').policies).toHaveLength(1);
  });
});
