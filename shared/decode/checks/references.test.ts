import { describe, expect, it } from 'vitest';
import type { CatalogGroup, CatalogRegion, RegionCatalogSpec } from '../../api/index.ts';
import { region, TEST_CATALOG } from '../../regions/testing/catalogue.ts';
import { createDecoder } from '../decode.ts';
import { groupsNamed } from '../regions.ts';
import { catalogFile, clusterFile, groupFile, policyFile, problemsOf, scopeFile, setOf } from '../testing/decoded.ts';

const CATALOG = catalogFile(TEST_CATALOG);
const catalogOf = (regions: CatalogRegion[], groups: CatalogGroup[] = []): RegionCatalogSpec => ({ version: '1', regions, groups });
const allowing = (...allowedRegions: string[]) => policyFile('p', { allowedRegions });

describe('references to regions', () => {
  const ALL = ['eu-west-1', 'aws/eu-west-1', 'country:DE', 'partition:aws-eusc', 'group:eu', 'group:own'];
  const own = groupFile('own', ['group:eu', 'country:US'], ['aws/us-east-1', 'group:eu-ch']);

  it('are decoded wherever they may stand', () => {
    const placement = { clusterRegions: ALL };
    const files = [CATALOG, own, policyFile('p', { allowedRegions: ALL, placement }), scopeFile('policies/team', placement)];
    const set = setOf(...files, clusterFile('eu', ['eu-west-1'], {}, 'aws'));
    expect(set.catalog?.document.spec).toEqual(TEST_CATALOG);
    expect(set.clusters[0]?.document.spec.provider).toBe('aws');
    expect(set.policies[0]?.document.spec.allowedRegions).toEqual(ALL);
  });

  it.each<[string, string]>([
    ['aws/eu-west-1', 'aws/eu-west-1 needs regions/catalog.yaml: write it with fso regions update'],
    ['country:DE', 'country:DE needs regions/catalog.yaml: write it with fso regions update'],
    ['partition:aws', 'partition:aws needs regions/catalog.yaml: write it with fso regions update'],
    ['group:eu', 'there is no RegionGroup eu (there are: none; regions/catalog.yaml has some, write it with fso regions update)'],
  ])('%s is refused without a catalogue, with the command to run', (reference, reason) => {
    expect(problemsOf(allowing('us-east-1', reference))).toEqual([`policies/p.yaml:9:7: ${reason}`]);
  });

  it('lead to groups of the repository through those of the catalogue', () => {
    const set = setOf(CATALOG, groupFile('eu', ['group:inner']), groupFile('inner', ['eu-west-1']), groupFile('other', ['x']));
    expect(groupsNamed(['group:eu-ch'], set)).toEqual(new Set(['eu', 'eu-ch', 'inner']));
  });

  it('need no catalogue between groups', () => {
    const files = [groupFile('a', ['group:b', 'x']), groupFile('b', ['y', 'z'], ['z']), allowing('group:a')];
    expect(problemsOf(...files)).toEqual([]);
  });

  it.each<[string, string]>([
    ['country:XX', 'XX is no country code of ISO 3166-1'],
    ['country:UK', 'UK is no country code of ISO 3166-1'],
    ['partition:aws-moon', 'regions/catalog.yaml has no partition aws-moon'],
    ['moon/eu-west-1', 'regions/catalog.yaml has no provider moon (there are: aws, alibaba, azure, gcp, oci, hetzner, scaleway)'],
    ['aws/westeurope', 'regions/catalog.yaml has no region westeurope of aws, did you mean azure/westeurope?'],
    ['aws/eu-wst-1', 'regions/catalog.yaml has no region eu-wst-1 of aws'],
    ['group:moon', 'there is no RegionGroup moon (there are: eu, eu-ch'],
  ])('%s is refused with its place', (reference, reason) => {
    const at = (place: string) => [expect.stringContaining(`${place}: ${reason}`)];
    expect(problemsOf(CATALOG, allowing('us-east-1', reference))).toEqual(at('policies/p.yaml:9:7'));
    expect(problemsOf(CATALOG, groupFile('g', ['us-east-1', reference]))).toEqual(at('regions/g.yaml:8:7'));
    expect(problemsOf(CATALOG, groupFile('g', ['us-east-1'], [reference]))).toEqual(at('regions/g.yaml:9:7'));
    const placed = policyFile('p', { placement: { clusterRegions: [reference] } });
    expect(problemsOf(CATALOG, placed)).toEqual(at('policies/p.yaml:11:9'));
  });

  it.each(['aws/', '/eu-west-1', 'country:de', 'country:DEU', 'partition:', 'aws/eu/west', 'group:a/b', 'AWS/eu-west-1'])(
    '%s is no reference',
    (reference) => {
      expect(problemsOf(CATALOG, allowing(reference))).toEqual([
        expect.stringContaining('spec.allowedRegions[0] must be a region (eu-west-1, '),
      ]);
    },
  );

  it('are refused where they stand for no region', () => {
    const reason = 'policies/p.yaml:7:3: spec.allowedRegions stands for no region';
    expect(problemsOf(CATALOG, allowing('country:CH'))).toEqual([reason]);
    expect(problemsOf(CATALOG, allowing('country:CH', 'country:DE'))).toEqual([]);
  });

  it('are counted for the providers that clusters declare', () => {
    const regions = ['aws', 'gcp'].flatMap((provider) =>
      Array.from({ length: 60 }, (_, n) => region(`${provider}/${provider}-${n}`, 'US')),
    );
    const files = [catalogFile(catalogOf(regions)), allowing('country:US')];
    const tooMany = 'policies/p.yaml:7:3: spec.allowedRegions stands for 120 regions, the limit is 100';
    expect(problemsOf(...files)).toEqual([tooMany]);
    expect(problemsOf(...files, clusterFile('a', ['aws-1'], {}, 'aws'), clusterFile('b', ['gcp-1'], {}, 'gcp'))).toEqual([]);
    expect(problemsOf(...files, clusterFile('a', ['aws-1'], {}, 'aws'), clusterFile('b', ['gcp-1']))).toEqual([tooMany]);
    // The agent of a cluster that is not registered has no list to count.
    expect(createDecoder({}, 'cluster')(files)).toMatchObject({ ok: true });
  });

  it('are refused with the groups that stand for the most, where together they are too many', () => {
    const names = (provider: string, count: number) =>
      Array.from({ length: count }, (_, n) => region(`${provider}/${provider}-${n}`, provider === 'gcp' ? 'US' : 'DE'));
    const files = [
      catalogFile(catalogOf([...names('aws', 90), ...names('gcp', 90), region('oci/o', 'FR')])),
      groupFile('north', ['country:DE']),
      groupFile('west', ['country:US']),
    ];
    const where = 'policies/p.yaml:7:3: spec.allowedRegions stands for';
    expect(problemsOf(...files, allowing('oci/o', 'group:north', 'group:west'))).toEqual([
      `${where} 181 regions, the limit is 100: group:north for 90, group:west for 90, oci/o for 1`,
    ]);
    const many = Array.from({ length: 20 }, (_, n) => `gcp/gcp-${n}`);
    expect(problemsOf(...files, allowing('group:north', ...many))).toEqual([
      `${where} 110 regions, the limit is 100: group:north for 90, gcp/gcp-0 for 1, gcp/gcp-1 for 1, gcp/gcp-2 for 1, gcp/gcp-3 for 1 and 16 more`,
    ]);
    // What a cluster of one provider gets fits.
    expect(problemsOf(...files, allowing('group:north', 'group:west'), clusterFile('a', ['aws-1'], {}, 'aws'))).toEqual([]);
  });

  it('are refused where those of placements are too many to be looked up', () => {
    const regions = Array.from({ length: 450 }, (_, n) => region(`aws/r${n}`, 'US', { place: 'p', source: 's' }));
    const groups = Array.from({ length: 100 }, (_, n) => groupFile(`g${n}`, ['country:US']));
    const placed = (clusterRegions: string[], index: number) => policyFile(`p${index}`, { placement: { clusterRegions } });
    const lists = Array.from({ length: 100 }, (_, without) =>
      groups.flatMap((_group, index) => (index === without ? [] : [`group:g${index}`])),
    );
    const files = [catalogFile(catalogOf(regions)), ...groups, ...lists.map(placed)];
    expect(problemsOf(...files)).toEqual(['.:1:1: the groups and policies of the repository stand for too many regions']);
    expect(problemsOf(...files.slice(0, 120))).toEqual([]);
  });

  it('are refused with a few of the names that there are', () => {
    const regions = Array.from({ length: 50 }, (_, n) => region(`p${n}/x${n % 5}`, 'DE'));
    const files = [catalogFile(catalogOf(regions)), policyFile('p', { allowedRegions: ['moon/x0', 'p1/x0'] })];
    expect(problemsOf(...files)).toEqual([
      expect.stringMatching(/has no provider moon \(there are: (p\d, ){9}p9 and 40 more\)$/),
      expect.stringMatching(/has no region x0 of p1, did you mean p0\/x0 or p5\/x0 or p10\/x0\?$/),
    ]);
  });

  it('are refused in a circle of groups, with its path and no other problem', () => {
    const files = [groupFile('a', ['x', 'group:b']), groupFile('b', ['group:c']), groupFile('c', ['group:a']), allowing('group:a')];
    expect(problemsOf(...files)).toEqual(['regions/c.yaml:7:7: group a contains itself: a -> b -> c -> a']);
    const catalog = catalogOf([region('aws/x', 'DE')], [{ name: 'g', members: ['aws/x'], exclude: ['group:g'] }]);
    expect(problemsOf(catalogFile(catalog))).toEqual([
      expect.stringMatching(/^regions\/catalog\.yaml:\d+:\d+: group g contains itself: g -> g$/),
    ]);
  });
});

describe('a provider of a cluster', () => {
  it('is one of the catalogue', () => {
    const cluster = clusterFile('eu', ['eu-west-1'], {}, 'moon');
    expect(problemsOf(cluster)).toEqual(['clusters/eu.yaml:9:13: a provider needs regions/catalog.yaml: write it with fso regions update']);
    expect(problemsOf(CATALOG, cluster)).toEqual([
      expect.stringContaining('clusters/eu.yaml:9:13: regions/catalog.yaml has no provider moon'),
    ]);
  });
});

describe('a catalogue', () => {
  it.each<[string, RegionCatalogSpec, string]>([
    ['a region twice', catalogOf([region('aws/a', 'DE'), region('aws/a', 'DE')]), 'spec.regions[1].region is there twice: aws/a'],
    [
      'a zone with the name of a region',
      catalogOf([region('aws/a', 'DE', { zones: [{ name: 'b', country: 'TR' }] }), region('aws/b', 'DE')]),
      'spec.regions[1].region is there twice: aws/b',
    ],
    [
      'a zone in the country of its region',
      catalogOf([region('aws/a', 'DE', { zones: [{ name: 'b', country: 'DE' }] })]),
      'spec.regions[0].zones[0].country is that of the region: only zones in other countries are listed',
    ],
    [
      'a name of more providers than conflicts are listed for',
      catalogOf(Array.from({ length: 17 }, (_, n) => region(`p${n}/x`, n % 2 === 0 ? 'DE' : 'FR'))),
      'spec.regions[16].region is a name of more than 16 providers: x',
    ],
    ['an unknown country', catalogOf([region('aws/a', 'XX')]), 'spec.regions[0].country must be a country code of ISO 3166-1, is XX'],
    [
      'a region that ends before it begins',
      catalogOf([region('aws/a', 'DE', { since: '2020-01-01', until: '2019-01-01' })]),
      'spec.regions[0].until must be after since, 2020-01-01',
    ],
    [
      'a group twice',
      catalogOf(
        [region('aws/a', 'DE')],
        [
          { name: 'g', members: ['aws/a'] },
          { name: 'g', members: ['aws/a'] },
        ],
      ),
      'spec.groups[1].name is there twice',
    ],
    [
      'a term of another member',
      catalogOf([region('aws/a', 'DE')], [{ name: 'g', members: ['aws/a'], terms: [{ member: 'country:DE', until: '2020-01-01' }] }]),
      'spec.groups[0].terms[0].member must be one of the members, once, is country:DE',
    ],
  ])('is refused with %s', (_name, spec, reason) => {
    expect(problemsOf(catalogFile(spec))).toEqual([expect.stringMatching(/^regions\/catalog\.yaml:\d+:\d+: /)]);
    expect(problemsOf(catalogFile(spec))[0]).toContain(reason);
  });

  it('stands in regions/catalog.yaml, once; other groups may stand there too', () => {
    expect(problemsOf({ ...CATALOG, path: 'regions/other.yaml' })).toEqual([
      'regions/other.yaml:2:7: a RegionCatalog belongs in regions/catalog.yaml',
    ]);
    const twice = { ...CATALOG, text: `${CATALOG.text}---\n${CATALOG.text}` };
    expect(problemsOf(twice)).toContainEqual(
      expect.stringContaining('a repository has one RegionCatalog, another is at regions/catalog.yaml:1:1'),
    );
    expect(problemsOf({ ...groupFile('own', ['x']), path: 'regions/catalog.yaml' })).toEqual([]);
  });

  it('fills no more than a file, and is decoded again only where it changes', () => {
    const regions = Array.from({ length: 1900 }, (_, n) => region(`aws/r${n}`, 'DE'));
    const decode = createDecoder();
    const [first, second] = [0, 1].map(() => decode([catalogFile(catalogOf(regions.slice(0, 100))), allowing('aws/r1')]));
    expect(first).toMatchObject({ ok: true });
    expect(first?.ok === true && second?.ok === true && first.set.catalog?.document === second.set.catalog?.document).toBe(true);
    expect(problemsOf(catalogFile(catalogOf(regions)))).toEqual([
      expect.stringMatching(/^regions\/catalog\.yaml:1:1: the file has \d+ bytes, the limit is 262144$/),
    ]);
  });
});
