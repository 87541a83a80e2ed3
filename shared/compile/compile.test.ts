import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Placement } from '../api/index.ts';
import type { SourceFile } from '../decode/index.ts';
import { clusterFile, groupFile, policyFile, scopeFile, setOf } from '../decode/testing/decoded.ts';
import { canonicalJson } from '../encoding/index.ts';
import { compileCluster, compileFleet } from './compile.ts';

const FLEET = [
  clusterFile('apac', ['ap-southeast-1'], { environment: 'production' }),
  clusterFile('eu', ['eu-west-1', 'eu-central-1'], { environment: 'production', 'region-group': 'eu' }),
  clusterFile('us', ['us-east-1'], { environment: 'staging' }),
  groupFile('eu', ['eu-west-1', 'eu-central-1', 'westeurope']),
];
const placedOn = (placement: Placement): readonly string[] =>
  [...compileFleet(setOf(...FLEET, policyFile('p', { placement })))]
    .filter(([, { policies }]) => policies.length > 0)
    .map(([cluster]) => cluster);

describe('compileCluster', () => {
  it('gives a cluster the spec without placement, with groups expanded, sorted and without duplicates', () => {
    const spec = { allowedRegions: ['us-east-1', 'group:eu', 'eu-west-1'], placement: { clusterNames: ['eu'] }, description: 'why' };
    const { policies, cluster } = compileCluster(setOf(...FLEET, policyFile('p', spec)), 'eu');
    const effectiveRegions = ['eu-central-1', 'eu-west-1', 'us-east-1', 'westeurope'];
    expect(cluster).toBe('eu');
    expect(policies).toEqual([
      {
        name: 'p',
        labels: {},
        spec: { targetNamespace: 'p', allowedRegions: effectiveRegions, enforcementAction: 'deny', description: 'why' },
        enforcementAction: 'deny',
        effectiveRegions,
        sourcePath: 'policies/p.yaml',
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ]);
  });

  it('sorts policies by name and gives an unregistered cluster nothing', () => {
    const set = setOf(...FLEET, policyFile('b'), policyFile('a-b'), policyFile('a'));
    expect(compileCluster(set, 'us').policies.map(({ name }) => name)).toEqual(['a', 'a-b', 'b']);
    expect(compileCluster(set, 'nowhere')).toEqual({ ...compileCluster(setOf(), 'nowhere') });
    expect(compileCluster(set, 'nowhere').policies).toEqual([]);
  });

  it.each<[string, Placement, string[]]>([
    ['nothing', {}, ['apac', 'eu', 'us']],
    ['names', { clusterNames: ['us', 'eu'] }, ['eu', 'us']],
    ['no name', { clusterNames: [] }, []],
    ['a region', { clusterRegions: ['us-east-1'] }, ['us']],
    ['a group', { clusterRegions: ['group:eu'] }, ['eu']],
    ['a label', { clusterSelector: { matchLabels: { environment: 'production' } } }, ['apac', 'eu']],
    ['every cluster', { clusterSelector: {} }, ['apac', 'eu', 'us']],
    ['In', { clusterSelector: { matchExpressions: [{ key: 'environment', operator: 'In', values: ['staging', 'x'] }] } }, ['us']],
    [
      'NotIn, without the label too',
      { clusterSelector: { matchExpressions: [{ key: 'region-group', operator: 'NotIn', values: ['eu'] }] } },
      ['apac', 'us'],
    ],
    ['Exists', { clusterSelector: { matchExpressions: [{ key: 'region-group', operator: 'Exists' }] } }, ['eu']],
    ['DoesNotExist', { clusterSelector: { matchExpressions: [{ key: 'region-group', operator: 'DoesNotExist' }] } }, ['apac', 'us']],
    ['a name that every object has', { clusterSelector: { matchExpressions: [{ key: 'constructor', operator: 'Exists' }] } }, []],
    [
      'all of several',
      { clusterRegions: ['group:eu', 'ap-southeast-1'], clusterSelector: { matchLabels: { 'region-group': 'eu' } } },
      ['eu'],
    ],
    ['none of several', { clusterNames: ['us'], clusterRegions: ['group:eu'] }, []],
  ])('places by %s', (_name, placement, clusters) => {
    expect(placedOn(placement)).toEqual(clusters);
  });
});

describe('digests', () => {
  const digestOf = (...files: SourceFile[]): string => compileCluster(setOf(...FLEET, ...files), 'eu').digest;

  it('do not depend on formatting, comments, the order of keys or files, or on what other clusters get', () => {
    const plain = policyFile('p', { allowedRegions: ['group:eu'] });
    const odd = {
      path: plain.path,
      text: '# why\nspec: {allowedRegions: [westeurope, "eu-central-1", eu-west-1], enforcementAction: deny, targetNamespace: p}\nmetadata: {name: p}\nkind: SovereignPolicy\napiVersion: compliance.federated.io/v1\n',
    };
    expect(digestOf(odd)).toBe(digestOf(plain));
    expect(digestOf(policyFile('q', { placement: { clusterNames: ['us'] } }), plain)).toBe(digestOf(plain));
    expect(digestOf({ ...plain })).toBe(compileFleet(setOf(plain, ...FLEET)).get('eu')?.digest);
  });

  it('change if and only if what the cluster gets changes', () => {
    const policy = fc.record({
      targetNamespace: fc.constantFrom('a', 'b-*'),
      allowedRegions: fc.subarray(['eu-west-1', 'us-east-1', 'group:eu'], { minLength: 1 }),
      enforcementAction: fc.constantFrom('deny' as const, 'warn' as const),
      placement: fc.constantFrom<Placement>({}, { clusterNames: ['eu'] }, { clusterNames: ['us'] }),
    });
    const commit = fc.dictionary(fc.constantFrom('p', 'q', 'r'), policy, { noNullPrototype: true });
    const compiledFor = (policies: Record<string, Parameters<typeof policyFile>[1]>) =>
      compileCluster(setOf(...FLEET, ...Object.entries(policies).map(([name, spec]) => policyFile(name, spec))), 'eu');
    fc.assert(
      fc.property(commit, commit, (one, other) => {
        const [left, right] = [compiledFor(one), compiledFor(other)];
        const contents = [left, right].map(({ policies }) => canonicalJson(policies.map(({ digest: _digest, ...content }) => content)));
        expect(left.digest === right.digest).toBe(contents[0] === contents[1]);
      }),
    );
  });
});

describe('compileFleet', () => {
  it('makes one list for all clusters that the same placements select', () => {
    const placed = policyFile('p', { placement: { clusterRegions: ['us-east-1'] } });
    const fleet = compileFleet(setOf(policyFile('everywhere'), placed, ...FLEET));
    const lists = new Set([...fleet.values()].map(({ policies }) => policies));
    expect(fleet.size).toBeGreaterThan(lists.size);
    expect([...lists].map((policies) => policies.map(({ name }) => name))).toContainEqual(['everywhere', 'p']);
  });

  it('gives every registered cluster what compileCluster gives it', () => {
    const set = setOf(...FLEET, policyFile('p', { placement: { clusterNames: ['eu'] } }), policyFile('q'));
    const fleet = compileFleet(set);
    expect([...fleet.keys()]).toEqual(['apac', 'eu', 'us']);
    for (const [cluster, compiled] of fleet) expect(compiled).toEqual(compileCluster(set, cluster));
  });

  it('compiles 1,000 policies for 500 clusters, and prints how long it took', () => {
    const placements: Placement[] = [{}, { clusterRegions: ['group:eu'] }, { clusterSelector: { matchLabels: { tier: '1' } } }];
    const set = setOf(
      groupFile('eu', ['eu-west-1', 'eu-central-1']),
      ...Array.from({ length: 500 }, (_, n) => clusterFile(`c${n}`, [n % 2 ? 'eu-west-1' : 'us-east-1'], { tier: String(n % 4) })),
      ...Array.from({ length: 1000 }, (_, n) => policyFile(`p${n}`, { allowedRegions: ['group:eu'], placement: placements[n % 3] ?? {} })),
    );
    const start = performance.now();
    const fleet = compileFleet(set);
    console.log(`compiled 1,000 policies for 500 clusters: ${Math.round(performance.now() - start)} ms`);
    expect(fleet.get('c1')?.policies).toHaveLength(1000);
    expect(fleet.get('c2')?.policies).toHaveLength(334);
  });
});

describe('a scope', () => {
  const namesIn = (...files: readonly SourceFile[]): Record<string, readonly string[]> =>
    Object.fromEntries(
      [...compileFleet(setOf(...FLEET, ...files))].map(([cluster, { policies }]) => [cluster, policies.map(({ name }) => name)]),
    );
  const inFolder = (folder: string, name: string, placement?: Placement): SourceFile => ({
    ...policyFile(name, placement === undefined ? {} : { placement }),
    path: `policies/${folder}/${name}.yaml`,
  });

  it('is for the policies of its folder and below, which are for the clusters that both select', () => {
    const production: Placement = { clusterSelector: { matchLabels: { environment: 'production' } } };
    const files = [
      scopeFile('policies/prod', production),
      scopeFile('policies/prod/eu', { clusterRegions: ['group:eu'] }),
      inFolder('prod', 'all'),
      inFolder('prod', 'us', { clusterRegions: ['us-east-1'] }),
      inFolder('prod/eu', 'eu'),
      inFolder('prod/eu/deep', 'deep', { clusterNames: ['eu'] }),
      inFolder('product', 'free'),
    ];
    expect(namesIn(...files)).toEqual({ apac: ['all', 'free'], eu: ['all', 'deep', 'eu', 'free'], us: ['free'] });
  });

  it('leaves what a cluster gets as it reads', () => {
    const policy = inFolder('prod', 'p');
    const alone = compileCluster(setOf(...FLEET, policy), 'eu');
    expect(compileCluster(setOf(...FLEET, policy, scopeFile('policies/prod', { clusterNames: ['eu'] })), 'eu')).toEqual(alone);
  });
});
