import { describe, expect, it } from 'vitest';
import { indexCatalog } from './catalog-index.ts';
import { groupProblems } from './group-cycles.ts';
import { nextRegionChange, regionsInForce } from './in-force.ts';
import { type GroupDefinition, RegionResolver } from './resolver.ts';
import { region, TEST_CATALOG } from './testing/catalogue.ts';

const CATALOG = indexCatalog(TEST_CATALOG);
const resolver = (groups: Record<string, GroupDefinition> = {}, catalog = CATALOG): RegionResolver =>
  new RegionResolver(catalog, new Map(Object.entries(groups)));
const resolve = (references: readonly string[], provider?: string) => resolver().resolve(references, provider);

describe('a reference', () => {
  it.each<[string, string | undefined, string[]]>([
    ['us-east-1', undefined, ['us-east-1']],
    ['nowhere', undefined, ['nowhere']],
    ['nowhere', 'aws', ['nowhere']],
    ['aws/eu-west-1', undefined, ['eu-west-1']],
    ['aws/eu-west-1', 'aws', ['eu-west-1']],
    ['country:DE', undefined, ['eu-central-1', 'eu-frankfurt-1', 'eusc-de-east-1', 'fsn1']],
    ['country:DE', 'aws', ['eu-central-1', 'eusc-de-east-1']],
    ['country:TR', 'aws', ['eu-central-1-ist-1a']],
    ['partition:aws-eusc', undefined, ['eusc-de-east-1']],
    ['partition:aws', 'aws', ['eu-central-1', 'eu-central-1-ist-1a', 'eu-west-1', 'us-east-1', 'us-east-1-lim-1a']],
    ['group:eu', 'aws', ['eu-central-1', 'eu-west-1', 'eusc-de-east-1']],
    ['group:eu-ch', 'azure', ['westeurope']],
    ['group:none', undefined, []],
    ['country:CH', undefined, []],
  ])('%s stands in clusters of %s for %j', (reference, provider, regions) => {
    expect(resolve([reference], provider).regions).toEqual(regions);
  });

  it('stands for a list by which nothing may run where it names a region of another provider', () => {
    expect(resolve(['gcp/europe-west1'], 'aws').regions).toEqual([]);
    const { regions, conflicts } = resolver().resolveAllowed(['gcp/europe-west1'], 'aws');
    expect({ regions, conflicts }).toEqual({ regions: ['europe-west1'], conflicts: [{ providers: [], regions: ['europe-west1'] }] });
    expect(regionsInForce({ allowedRegions: [...regions], regionConflicts: [...conflicts] }, new Set(), 0).regions).toEqual([]);
  });
});

describe('groups', () => {
  it('win over those of the catalogue with their name, also within those', () => {
    const own = resolver({ eu: { members: ['aws/eu-west-1'] } });
    expect(own.resolve(['group:eu-ch']).regions).toEqual(['eu-west-1']);
  });

  it('leave out what they exclude, by provider', () => {
    const own = resolver({ ours: { members: ['group:eu', 'eu-west-1'], exclude: ['country:DE', 'alibaba/eu-west-1'] } });
    expect(own.resolve(['group:ours'])).toEqual({
      regions: ['eu-west-1', 'europe-west1', 'fr-par', 'westeurope'],
      conflicts: [{ providers: ['alibaba'], regions: ['eu-west-1'] }],
    });
    expect(resolver({ none: { members: ['eu-west-1'], exclude: ['country:IE', 'country:GB'] } }).resolve(['group:none']).regions).toEqual(
      [],
    );
    expect(resolver({ none: { members: ['aws/eu-west-1'], exclude: ['eu-west-1'] } }).resolve(['group:none']).regions).toEqual([]);
  });

  it('are named where they contain themselves, and stand for their other members', () => {
    const groups = { a: { members: ['group:b', 'x'] }, b: { members: ['group:c'] }, c: { members: ['y'], exclude: ['group:a'] } };
    expect(groupProblems(resolver(groups).groups)).toEqual([
      { group: 'c', reference: 'group:a', reason: 'group a contains itself: a -> b -> c -> a' },
    ]);
    expect(resolver(groups).resolve(['group:a']).regions).toEqual(['x', 'y']);
  });

  it('lie at most 16 deep in each other', () => {
    const chain = (length: number) =>
      Object.fromEntries(Array.from({ length }, (_, n) => [`g${n}`, { members: n + 1 < length ? [`group:g${n + 1}`] : ['x'] }]));
    expect(groupProblems(resolver(chain(17), undefined).groups)).toEqual([]);
    expect(resolver(chain(17)).resolve(['group:g0']).regions).toEqual(['x']);
    expect(groupProblems(resolver(chain(18)).groups).map(({ reason }) => reason)).toContain('groups lie more than 16 deep in each other');
  });

  it('exhaust the resolver where they stand for too many names', () => {
    const members = Array.from({ length: 1000 }, (_, n) => `r${n}`);
    const groups: Record<string, GroupDefinition> = {};
    for (let n = 0; n < 400; n += 1) groups[`leaf${n}`] = { members: members.map((name) => `${name}x${n}`) };
    const leaves = Object.keys(groups).map((name) => `group:${name}`);
    for (let n = 0; n < 100; n += 1) groups[`wide${n}`] = { members: leaves };
    const own = resolver(groups);
    for (let n = 0; n < 100; n += 1) own.resolve([`group:wide${n}`]);
    expect(own.isExhausted).toBe(true);
  });
});

describe('conflicts', () => {
  it('name the providers between which a bare name is no one place', () => {
    expect(resolve(['eu-west-1', 'eu-central-1'])).toEqual({
      regions: ['eu-central-1', 'eu-west-1'],
      conflicts: [{ providers: ['alibaba', 'aws'], regions: ['eu-west-1'] }],
    });
    expect(resolve(['eu-west-1'], 'aws').conflicts).toEqual([{ providers: ['alibaba'], regions: ['eu-west-1'] }]);
    expect(resolve(['aws/eu-west-1', 'alibaba/eu-west-1']).conflicts).toEqual([]);
  });

  it('name the provider that reads a name as a place outside', () => {
    const conflict = [{ providers: ['alibaba'], regions: ['eu-west-1'] }];
    for (const reference of ['aws/eu-west-1', 'country:IE', 'group:eu']) expect(resolve([reference]).conflicts).toEqual(conflict);
  });

  it('hold where the cluster has each of their providers', () => {
    const { regions, conflicts } = resolve(['eu-west-1', 'eu-central-1']);
    const spec = { allowedRegions: [...regions], regionConflicts: [...conflicts] };
    expect(regionsInForce(spec, new Set(['aws']), 0).regions).toBe(spec.allowedRegions);
    expect(regionsInForce(spec, new Set(['aws', 'alibaba', 'gcp']), 0)).toEqual({ regions: ['eu-central-1'], conflicts });
  });
});

describe('ends', () => {
  const catalog = indexCatalog({
    version: '1',
    regions: [region('aws/old', 'DE', { until: '2027-03-01' }), region('gcp/old', 'DE'), region('aws/new', 'AL'), region('aws/gone', 'GB')],
    groups: [
      {
        name: 'eu',
        members: ['country:DE', 'country:AL', 'country:GB'],
        terms: [
          { member: 'country:AL', since: '2030-01-01' },
          { member: 'country:GB', until: '2020-02-01' },
        ],
      },
    ],
  });
  const { regions, conflicts } = resolver({}, catalog).resolve(['group:eu']);
  const spec = { allowedRegions: [...regions], regionConflicts: [...conflicts] };
  const on = (day: string, ...providers: string[]) => regionsInForce(spec, new Set(providers), Date.parse(day)).regions;

  it('stand beside the list of names, and not in it', () => {
    expect(regions).toEqual(['gone', 'new', 'old']);
    expect(on('2019-01-01')).toEqual(['gone', 'old']);
    expect(on('2020-01-31T23:59:59Z')).toEqual(['gone', 'old']);
    expect(on('2020-02-01T00:00:00Z')).toEqual(['old']);
    expect(on('2030-01-01')).toEqual(['new', 'old']);
  });

  it('count for one provider where the cluster has it', () => {
    expect(on('2027-03-01', 'aws')).toEqual([]);
    expect(on('2027-03-01', 'gcp')).toEqual(['old']);
    expect(resolver({}, catalog).resolve(['group:eu'], 'aws').conflicts).toContainEqual({
      providers: [],
      from: '2027-03-01',
      regions: ['old'],
    });
  });

  it('are announced by the time of the next one', () => {
    expect(nextRegionChange(spec, Date.parse('2019-01-01'))).toBe(Date.parse('2020-02-01'));
    expect(nextRegionChange(spec, Date.parse('2020-02-01'))).toBe(Date.parse('2027-03-01'));
    expect(nextRegionChange(spec, Date.parse('2031-01-01'))).toBeUndefined();
    expect(nextRegionChange({}, 0)).toBeUndefined();
  });
});
