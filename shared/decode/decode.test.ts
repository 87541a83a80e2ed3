import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFiles } from './decode.ts';
import { isPolicyPath } from './paths.ts';
import { clusterFile, groupFile, policyFile, problemsOf, scopeFile, setOf } from './testing/decoded.ts';

const HEAD = 'apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata:\n  name: p\n';
const policy = (spec: string): string => `${HEAD}spec:\n${spec}`;
const GOOD = '  targetNamespace: finance\n  allowedRegions: [eu-west-1]\n';
const at = (text: string, path = 'policies/p.yaml') => ({ path, text });

describe('isPolicyPath', () => {
  it.each(['policies/a.yaml', 'policies/team/a.yml', 'clusters/us/cluster.yaml', 'regions/eu.YAML', 'rollout/waves.yaml', 'rollout.yaml'])(
    'counts %s',
    (path) => {
      expect(isPolicyPath(path)).toBe(true);
    },
  );
  it.each(['README.md', 'policies/a.json', 'policies.yaml', 'docs/policies/a.yaml', 'policies/.yaml.swp', 'xpolicies/a.yaml', 'policies'])(
    'ignores %s',
    (path) => {
      expect(isPolicyPath(path)).toBe(false);
    },
  );
});

describe('decodeFiles', () => {
  it('decodes every kind, with defaults and positions', () => {
    const text = `# a comment\n---\n${policy(GOOD)}---\n# nothing here\n---\n${policy(GOOD).replace('name: p', 'name: q')}`;
    const rollout = at(
      'apiVersion: compliance.federated.io/v1\nkind: RolloutStrategy\nmetadata: {name: r}\nspec: {waves: [{name: canary, clusterSelector: {}}]}',
      'rollout.yaml',
    );
    const set = setOf(at(text), clusterFile('us', ['us-east-1']), groupFile('eu', ['eu-west-1']), rollout);
    expect(set.policies.map(({ document, source }) => [document.metadata.name, document.spec.enforcementAction, source.line])).toEqual([
      ['p', 'deny', 3],
      ['q', 'deny', 13],
    ]);
    expect(set.clusters[0]?.document.metadata.name).toBe('us');
    expect(set.regionGroups[0]?.document.spec.regions).toEqual(['eu-west-1']);
    expect(set.rollout?.document.spec.waves[0]?.name).toBe('canary');
  });

  it('accepts an empty repository, empty files and foreign files as no policies', () => {
    const nothing = { ok: true, set: { policies: [], scopes: [], clusters: [], regionGroups: [], rollout: undefined } };
    expect(decodeFiles([])).toEqual(nothing);
    expect(decodeFiles([at(''), at('# only\n', 'regions/x.yaml'), at('---\n---\n', 'policies/y.yaml'), at('{', 'README.md')])).toEqual(
      nothing,
    );
  });

  it.each<[string, string, string[]]>([
    [
      'broken YAML',
      `${HEAD}spec: [`,
      ['policies/p.yaml:5:8: flow sequence in block collection must be sufficiently indented and end with a ]'],
    ],
    ['a duplicate key', policy(`${GOOD}  targetNamespace: other\n`), ['policies/p.yaml:8:3: the key targetNamespace is there twice']],
    [
      'an anchor and an alias',
      'a: &x [1]\nb: *x\n',
      ['policies/p.yaml:1:4: anchors (&name) are not allowed', 'policies/p.yaml:2:4: aliases (*name) are not allowed, write the value out'],
    ],
    ['a merge key', policy(`${GOOD}  <<: {description: x}\n`), ['policies/p.yaml:8:3: unknown field spec["<<"]']],
    ['a tag', policy(`${GOOD}  description: !!str x\n`), ['policies/p.yaml:8:16: tags (!name) are not allowed']],
    ['a directive', `%YAML 1.1\n---\n${policy(GOOD)}`, ['policies/p.yaml:1:1: directives (%NAME) are not allowed']],
    ['a key that is no text', '? [1, 2]\n: 3\n', ['policies/p.yaml:1:3: with stringKeys, all keys must be strings']],
    [
      'a document that is no map',
      '- a\n',
      [
        'policies/p.yaml:1:1: the document must be a map with a kind: SovereignPolicy, PolicyScope, ManagedCluster, RegionCatalog, RegionGroup, RolloutStrategy',
      ],
    ],
    [
      'no kind',
      'spec: {}\n',
      [
        'policies/p.yaml:1:1: kind is required, one of SovereignPolicy, PolicyScope, ManagedCluster, RegionCatalog, RegionGroup, RolloutStrategy',
      ],
    ],
    [
      'a foreign kind',
      'apiVersion: v1\nkind: Pod\n',
      [
        'policies/p.yaml:2:7: kind must be one of SovereignPolicy, PolicyScope, ManagedCluster, RegionCatalog, RegionGroup, RolloutStrategy, is "Pod"',
      ],
    ],
    [
      'another version',
      policy(GOOD).replace('/v1', '/v2'),
      ['policies/p.yaml:1:13: apiVersion must be compliance.federated.io/v1, is "compliance.federated.io/v2"'],
    ],
    [
      'an unknown field',
      policy(`${GOOD}  enforcmentAction: warn\n`),
      ['policies/p.yaml:8:3: unknown field spec.enforcmentAction, did you mean enforcementAction?'],
    ],
    [
      'an unknown field in a list',
      policy(`${GOOD}  placement:\n    clusterSelector:\n      matchExpressions:\n        - {key: a, operator: In, value: [b]}\n`),
      ['policies/p.yaml:11:34: unknown field spec.placement.clusterSelector.matchExpressions[0].value, did you mean values?'],
    ],
    ['fields of a live object', policy(GOOD).replace('name: p', 'name: p\n  uid: x'), ['policies/p.yaml:5:3: unknown field metadata.uid']],
    ['a missing field', policy('  targetNamespace: finance\n'), ['policies/p.yaml:5:1: spec.allowedRegions is required']],
    [
      'no region',
      policy('  targetNamespace: finance\n  allowedRegions: []\n'),
      ['policies/p.yaml:7:19: spec.allowedRegions must have at least 1 entries'],
    ],
    [
      'several mistakes at once',
      policy('  targetNamespace: 7\n  allowedRegions: [eu-west-1, "eu west"]\n  enforcementAction: block\n'),
      [
        'policies/p.yaml:6:20: spec.targetNamespace must be a string, is a number, put it in quotes',
        'policies/p.yaml:7:31: spec.allowedRegions[1] must be a region (eu-west-1, aws/eu-west-1), country:DE, partition:aws-eusc or group:<name>, each name of at most 63 characters, is "eu west"',
        'policies/p.yaml:8:22: spec.enforcementAction must be one of deny, warn, dryrun, custom, is "block"',
      ],
    ],
    [
      'a region that no node label can hold',
      policy(`  targetNamespace: finance\n  allowedRegions: [${'a'.repeat(64)}]\n`),
      [expect.stringContaining('policies/p.yaml:7:20: spec.allowedRegions[0] must be a region (eu-west-1, ')],
    ],
    [
      'a wrong time',
      policy(`${GOOD}  expiryDate: "2027-02-30T00:00:00Z"\n`),
      ['policies/p.yaml:8:15: spec.expiryDate must be an RFC 3339 time with a zone (2027-12-31T00:00:00Z), is "2027-02-30T00:00:00Z"'],
    ],
    [
      'a time without seconds',
      policy(`${GOOD}  expiryDate: "2027-02-20T00:00Z"\n`),
      ['policies/p.yaml:8:15: spec.expiryDate must be an RFC 3339 time with a zone (2027-12-31T00:00:00Z), is "2027-02-20T00:00Z"'],
    ],
    [
      'custom without points',
      policy(`${GOOD}  enforcementAction: custom\n`),
      ['policies/p.yaml:8:22: spec.enforcementAction custom needs spec.scopedEnforcementActions'],
    ],
    [
      'points without custom',
      policy(`${GOOD}  scopedEnforcementActions: [{action: deny, enforcementPoints: [{name: "*"}]}]\n`),
      ['policies/p.yaml:8:3: spec.scopedEnforcementActions needs enforcementAction custom, is deny'],
    ],
    [
      'an unknown enforcement point',
      policy(
        `${GOOD}  enforcementAction: custom\n  scopedEnforcementActions: [{action: deny, enforcementPoints: [{name: validation.gatekeper.sh}]}]\n`,
      ),
      [
        'policies/p.yaml:9:72: spec.scopedEnforcementActions[0].enforcementPoints[0].name must be one of validation.gatekeeper.sh, audit.gatekeeper.sh, vap.k8s.io, *, is "validation.gatekeper.sh"',
      ],
    ],
    [
      'another namespace',
      policy(GOOD).replace('name: p', 'name: p\n  namespace: finance'),
      [
        'policies/p.yaml:5:14: metadata.namespace must be federated-sovereignty-system, or left out: policies from Git live there (the governed namespace is spec.targetNamespace)',
      ],
    ],
    [
      'a label of the operator',
      policy(GOOD).replace('name: p', 'name: p\n  labels: {compliance.gov/managed-by: me}'),
      ['policies/p.yaml:5:12: metadata.labels["compliance.gov/managed-by"] must not be set: compliance.gov/* belongs to the operator'],
    ],
    [
      'a label that Kubernetes refuses',
      policy(GOOD).replace('name: p', 'name: p\n  labels: {team: "a b"}'),
      ['policies/p.yaml:5:18: metadata.labels.team must be a Kubernetes label value, is "a b"'],
    ],
    [
      'values that the operator does not take',
      policy(`${GOOD}  placement: {clusterSelector: {matchExpressions: [{key: a, operator: In}]}}\n`),
      ['policies/p.yaml:8:52: spec.placement.clusterSelector.matchExpressions[0] needs values, the operator is In'],
    ],
    [
      'an unknown group',
      policy('  targetNamespace: finance\n  allowedRegions: [eu-west-1, group:eu]\n'),
      [
        'policies/p.yaml:7:31: there is no RegionGroup eu (there are: none; regions/catalog.yaml has some, write it with fso regions update)',
      ],
    ],
    [
      'an unknown group in the placement',
      policy(`${GOOD}  placement:\n    clusterRegions:\n      - group:eu\n`),
      [
        'policies/p.yaml:10:9: there is no RegionGroup eu (there are: none; regions/catalog.yaml has some, write it with fso regions update)',
      ],
    ],
    ['an unknown cluster', policy(`${GOOD}  placement: {clusterNames: [us]}\n`), ['policies/p.yaml:8:30: there is no ManagedCluster us']],
    [
      'a name twice in a file',
      `${policy(GOOD)}---\n${policy(GOOD)}`,
      ['policies/p.yaml:12:9: SovereignPolicy p is there twice, first at policies/p.yaml:1:1'],
    ],
  ])('refuses %s with its place', (_name, text, problems) => {
    expect(problemsOf(at(text))).toEqual(problems);
  });

  it('refuses what only several files together make wrong', () => {
    const strategy =
      'apiVersion: compliance.federated.io/v1\nkind: RolloutStrategy\nmetadata: {name: NAME}\nspec: {waves: [{name: w, clusterSelector: {}}]}';
    expect(
      problemsOf(
        policyFile('a'),
        { ...policyFile('a'), path: 'policies/b.yaml' },
        { ...clusterFile('us', ['us-east-1']), path: 'policies/us.yaml' },
      ),
    ).toEqual(['policies/us.yaml:2:7: a ManagedCluster belongs alone in clusters/us.yaml or clusters/79/us.yaml']);
    expect(problemsOf(policyFile('a'), { ...policyFile('a'), path: 'policies/b.yaml' })).toEqual([
      'policies/b.yaml:4:9: SovereignPolicy a is there twice, first at policies/a.yaml:1:1',
    ]);
    expect(problemsOf(at(strategy.replace('NAME', 'a'), 'rollout.yaml'), at(strategy.replace('NAME', 'b'), 'rollout/b.yaml'))).toEqual([
      'rollout/b.yaml:2:7: a repository has one RolloutStrategy, another is at rollout.yaml:1:1',
    ]);
    expect(
      problemsOf(
        policyFile('a', { allowedRegions: ['group:big'] }),
        groupFile(
          'big',
          Array.from({ length: 101 }, (_, n) => `r${n}`),
        ),
      ),
    ).toEqual(['policies/a.yaml:7:3: spec.allowedRegions stands for 101 regions, the limit is 100']);
  });

  it('finds a registration at one of two paths, both of which follow from its name', () => {
    const us = clusterFile('us', ['us-east-1']);
    expect(problemsOf({ ...us, path: 'clusters/79/us.yaml' })).toEqual([]);
    expect(problemsOf(us, { ...us, path: 'clusters/79/us.yaml' })).toEqual([
      'clusters/us.yaml:4:9: ManagedCluster us is there twice, first at clusters/79/us.yaml:1:1',
    ]);
    for (const path of ['clusters/all.yaml', 'clusters/us.yml', 'clusters/US.yaml', 'Clusters/us.yaml', 'clusters/80/us.yaml'])
      expect(problemsOf({ ...us, path })).toEqual([
        `${path}:2:7: a ManagedCluster belongs alone in clusters/us.yaml or clusters/79/us.yaml`,
      ]);
    const two = { ...us, text: `${us.text}---\n${clusterFile('eu', ['eu-west-1']).text}` };
    expect(problemsOf(two)).toEqual([
      'clusters/us.yaml:1:1: the file has one document, a ManagedCluster',
      expect.stringContaining('a ManagedCluster belongs alone in clusters/eu.yaml or '),
    ]);
    expect(problemsOf({ ...us, text: '# moved\n' })).toEqual(['clusters/us.yaml:1:1: the file has one document, a ManagedCluster']);
  });

  it('reads a scope only from the single document of a scope.yaml', () => {
    const scope = scopeFile('policies/eu', { clusterRegions: ['eu-west-1'] });
    expect(setOf(scope).scopes.map(({ source }) => source.path)).toEqual(['policies/eu/scope.yaml']);
    for (const path of ['policies/eu/Scope.yaml', 'policies/eu/scope.yml', 'policies/scope.YAML'])
      expect(problemsOf({ ...scope, path })).toEqual([`${path}:1:1: a PolicyScope stands in a file with the name scope.yaml`]);
    const only = 'policies/eu/scope.yaml:1:1: the file has one document, a PolicyScope';
    expect(problemsOf({ ...scope, text: '# nothing\n' })).toEqual([only]);
    expect(problemsOf({ ...policyFile('a'), path: scope.path })).toEqual([only]);
    expect(problemsOf({ ...scope, text: `${scope.text}---\n${policyFile('a').text}` })).toEqual([only]);
    expect(problemsOf({ ...scope, path: 'policies/eu/other.yaml' })).toEqual([
      'policies/eu/other.yaml:2:7: a PolicyScope belongs in a file scope.yaml of the folder below policies/ that it is for',
    ]);
    expect(problemsOf({ ...scope, path: 'regions/scope.yaml' })[0]).toContain('a PolicyScope belongs in a file scope.yaml');
    expect(problemsOf({ ...scope, text: `${scope.text}  clusters: [us]\n` })).toEqual([expect.stringContaining('clusters')]);
  });

  it('refuses a placement that names a cluster outside of a scope around it', () => {
    const files = [
      clusterFile('eu', ['eu-west-1']),
      clusterFile('us', ['us-east-1']),
      scopeFile('policies/eu', { clusterRegions: ['eu-west-1'] }),
    ];
    const placed = (clusterNames: string[]) => ({ ...policyFile('a', { placement: { clusterNames } }), path: 'policies/eu/team/a.yaml' });
    expect(problemsOf(...files, placed(['eu']))).toEqual([]);
    expect(problemsOf(...files, placed(['eu', 'us']))).toEqual([
      expect.stringMatching(/^policies\/eu\/team\/a.yaml:.*: cluster us is outside of the scope in policies\/eu\/scope.yaml:1:1$/),
    ]);
    expect(problemsOf(...files, scopeFile('policies/eu/team', { clusterNames: ['us'] }))).toEqual([
      expect.stringContaining('cluster us is outside of the scope in policies/eu/scope.yaml:1:1'),
    ]);
    expect(problemsOf(...files, scopeFile('policies/x', { clusterNames: ['none'], clusterRegions: ['group:no'] }))).toEqual([
      expect.stringContaining('there is no ManagedCluster none'),
      expect.stringContaining('there is no RegionGroup no'),
    ]);
  });

  it('does not depend on the order of the files', () => {
    const files = [
      policyFile('a'),
      policyFile('b', { allowedRegions: ['group:eu'] }),
      groupFile('eu', ['eu-west-1']),
      clusterFile('us', ['us-east-1']),
      policyFile('c', { placement: { clusterNames: ['us'] } }),
    ];
    const expected = decodeFiles(files);
    fc.assert(
      fc.property(fc.shuffledSubarray(files, { minLength: files.length }), (shuffled) => {
        expect(JSON.stringify(decodeFiles(shuffled))).toBe(JSON.stringify(expected));
      }),
      { numRuns: 30 },
    );
  });
});
