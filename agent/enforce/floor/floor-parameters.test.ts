import type { FloorParameters, FloorParametersSpec } from '@fso/shared/api';
import { matchesNamespace } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { appliedParameters, type ParameterRound, planParameters } from '../testing/parameters.ts';
import { NAMESPACES as ALL_NAMES, anyPolicies, namespaceOf, policyOf } from '../testing/policies.ts';
import type { PolicyInput } from '../types.ts';
import { policiesInParameters } from './floor-parameters.ts';
import type { ListedNode } from './node-list.ts';

const EU = ['eu-central-1', 'eu-west-1'];
const POLICIES = [
  policyOf('finance', { targetNamespace: 'finance', allowedRegions: EU }),
  policyOf('narrow', { targetNamespace: 'fin*', allowedRegions: ['eu-west-1'], excludedNamespaces: ['fin-test'] }),
  policyOf('planned', { targetNamespace: 'planned', allowedRegions: EU }),
  policyOf('warned', { targetNamespace: 'warned-*', allowedRegions: EU, enforcementAction: 'warn' }),
  policyOf('everything', { targetNamespace: '*', allowedRegions: EU, enforcementAction: 'dryrun' }),
];
const NAMESPACES = ['finance', 'finance-two', 'fin-test', 'warned-one', 'kube-system'].map((name) => namespaceOf(name));
const nodeOf = (name: string, region?: string, labelled = region): ListedNode => ({ name, region, labelled });
const NODES = [nodeOf('b', 'us-east-1'), nodeOf('a', 'eu-west-1'), nodeOf('c')];

const plan = (round: ParameterRound = {}) => planParameters({ policies: POLICIES, namespaces: NAMESPACES, nodes: NODES, ...round });
const applied = (round?: ParameterRound) => appliedParameters(plan(round));
const specs = (round: ParameterRound = {}): (FloorParametersSpec | undefined)[] => applied(round).map(({ spec }) => spec);

describe('planFloorParameters', () => {
  it('lists every node with its region', () => {
    const nothing = { namespaces: {}, lists: {}, patterns: [], reach: '', disputedRegions: [], zones: [] };
    expect(specs()[0]).toEqual({ nodes: { a: 'eu-west-1', b: 'us-east-1', c: '' }, ...nothing });
  });

  it('lists every namespace under action deny as its annotations do, also those that policies name and that do not exist', () => {
    const [, index] = specs();
    expect(index?.namespaces).toEqual({
      'fso-canary': { regions: '', policies: '(canary)', revisions: '-' },
      finance: { regions: 'eu-west-1', policies: 'team/finance,team/narrow', revisions: '-,-' },
      'finance-two': { regions: 'eu-west-1', policies: 'team/narrow', revisions: '-' },
      planned: { regions: 'eu-central-1,eu-west-1', policies: 'team/planned', revisions: '-' },
    });
  });

  it('writes both objects again where they have to be renewed, until they show it', () => {
    const observed = applied();
    const renewedAt = '2026-01-01T00:00:00Z';
    expect(plan({ observed, renewedAt }).actions.map(({ reason }) => reason)).toEqual(['Renew', 'Renew']);
    const renewed = applied({ observed, renewedAt });
    expect(renewed.map(({ spec }) => spec)).toEqual(observed.map(({ spec }) => spec));
    expect(plan({ observed: renewed, renewedAt }).actions).toEqual([]);
    // Of another agent's renewals this one knows nothing, and needs not.
    expect(plan({ observed: renewed }).actions).toEqual([]);
  });

  it('keeps the entry of a namespace that is being deleted', () => {
    const leaving = NAMESPACES.map((namespace) => ({ ...namespace, terminating: namespace.name === 'finance' }));
    expect(specs({ namespaces: leaving })[1]?.namespaces?.['finance']).toEqual(specs()[1]?.namespaces?.['finance']);
  });

  it('lists the globs of deny policies, which exclude the namespaces of the cluster itself', () => {
    expect(specs()[1]?.patterns).toEqual([{ pattern: 'fin*', excluded: ['fin-test'], policies: 'team/narrow' }]);
    const everything = policyOf('all', { targetNamespace: '*', allowedRegions: EU });
    const again = policyOf('again', { targetNamespace: '*', allowedRegions: ['eu-west-1'] });
    const [pattern, ...more] = specs({ policies: [everything, again] })[1]?.patterns ?? [];
    expect(pattern).toMatchObject({ pattern: '*', policies: 'team/again,team/all' });
    expect(pattern?.excluded).toEqual(expect.arrayContaining(['federated-sovereignty-system', 'gatekeeper-system', 'kube-system']));
    expect(more).toEqual([]);
  });

  it('has one expression that matches what its globs match', () => {
    const globs = ['fin*', '*-prod', '*pay*', 'a-*'];
    const policies = globs.map((targetNamespace, index) => policyOf(`p${index}`, { targetNamespace, allowedRegions: EU }));
    const reach = new RegExp(specs({ policies })[1]?.reach ?? '');
    for (const name of ['fin', 'finance', 'xfin', 'x-prod', '-prod', 'x-prod-y', 'pay', 'xpayx', 'a-', 'a', 'ab', 'zz']) {
      expect([name, reach.test(name)]).toEqual([name, globs.some((glob) => matchesNamespace(glob, name))]);
    }
    expect(
      new RegExp(specs({ policies: [policyOf('all', { targetNamespace: '*', allowedRegions: EU })] })[1]?.reach ?? 'x').test('any'),
    ).toBe(true);
  });

  it('carries the nodes in the index if Bindings have no region', () => {
    expect(specs()[1]?.nodes).toEqual({});
    expect(specs({ bindGate: 'list' })[1]?.nodes).toEqual({ a: 'eu-west-1', b: 'us-east-1', c: '' });
  });

  it.each(['label', 'list'] as const)('has nothing to do once both are written: %s', (bindGate) => {
    const observed = applied({ bindGate });
    expect(plan({ bindGate, observed }).actions).toEqual([]);
    const moved = [nodeOf('a', 'us-east-1'), ...NODES.slice(2), nodeOf('b', 'us-east-1')];
    const changed = plan({ bindGate, observed, nodes: moved }).actions.map(({ key, reason }) => [key, reason]);
    const both = [
      ['FloorParameters/fso-nodes', 'Update'],
      ['FloorParameters/fso-namespaces', 'Update'],
    ];
    expect(changed).toEqual(bindGate === 'list' ? both : both.slice(0, 1));
  });

  it.each([
    ['label', 'Grow'],
    ['list', 'Update'],
  ] as const)('may delay new nodes, and deleted ones if a Binding carries the region of its node: %s', (bindGate, gone) => {
    const observed = applied({ bindGate });
    const reasonOf = (nodes: readonly ListedNode[]) => plan({ bindGate, observed, nodes }).actions[0]?.reason;
    expect(reasonOf([...NODES, nodeOf('new', 'eu-west-1')])).toBe('Grow');
    // Nothing else tells the bind gate that it is not where its label says.
    expect(reasonOf([...NODES, nodeOf('new', undefined, 'eu-west-1')])).toBe('Update');
    expect(reasonOf(NODES.slice(1))).toBe(gone);
  });

  it.each<[string, FloorParametersSpec]>([
    ['an additional namespace', { namespaces: { x: { regions: '', policies: '', revisions: '' } } }],
    ['nodes of its own', { nodes: { ghost: 'eu-west-1' } }],
    ['no patterns', { patterns: [] }],
    ['no reach', { reach: '' }],
    ['other regions', { namespaces: { finance: { regions: 'us-east-1', policies: 'team/finance,team/narrow', revisions: '-,-' } } }],
  ])('repairs an index that has %s', (_name, change) => {
    const [nodes, index] = applied();
    const spec = { ...index?.spec, ...change, namespaces: { ...index?.spec?.namespaces, ...change.namespaces } };
    const observed = [nodes, { ...index, spec }] as FloorParameters[];
    expect(plan({ observed }).actions.map(({ key }) => key)).toEqual(['FloorParameters/fso-namespaces']);
  });

  it('covers a namespace whose entry in the API server is current', () => {
    expect(plan().covers('finance')).toBe(false);
    const observed = applied();
    expect(['finance', 'planned', 'fin-test', 'warned-one'].map((name) => plan({ observed }).covers(name))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    const wider = [policyOf('finance', { targetNamespace: 'finance', allowedRegions: EU })];
    expect(plan({ observed, policies: wider }).covers('finance')).toBe(false);
    expect(plan({ observed }).covers('constructor')).toBe(false);
  });

  it('names the policies whose glob, or namespace to come, the API server does not have yet', () => {
    const unlisted = (round: ParameterRound) => [...plan(round).unlisted].sort(byText);
    expect(unlisted({})).toEqual(['team/narrow', 'team/planned']);
    const observed = applied();
    expect(unlisted({ observed })).toEqual([]);
    const late = policyOf('late', { targetNamespace: 'late', allowedRegions: EU });
    const wide = policyOf('wide', { targetNamespace: 'w*', allowedRegions: EU });
    // A namespace that is there has its labels, and warnings are not in the index.
    const more = [late, wide, policyOf('here', { targetNamespace: 'fin-test', allowedRegions: EU })];
    expect(unlisted({ observed, policies: [...POLICIES, ...more] })).toEqual(['team/late', 'team/wide']);
    const narrower = POLICIES.map((policy) =>
      policy.name === 'planned' ? policyOf('planned', { ...policy.spec, allowedRegions: ['eu-west-1'] }) : policy,
    );
    expect(unlisted({ observed, policies: narrower })).toEqual(['team/planned']);
    const unreachable = observed.map((object) => ({ ...object, spec: { ...object.spec, reach: '' } }));
    expect(unlisted({ observed: unreachable })).toEqual(['team/narrow']);
    // Its glob covers a namespace to come that another policy names.
    const next = policyOf('next', { targetNamespace: 'fin-next', allowedRegions: EU });
    expect(unlisted({ observed, policies: [...POLICIES, next] })).toEqual(['team/next']);
    // Another policy of the same glob changes who is named, and not what is covered.
    const again = policyOf('again', { targetNamespace: 'fin*', allowedRegions: EU, excludedNamespaces: ['fin-test'] });
    expect(unlisted({ observed, policies: [...POLICIES, again] })).toEqual([]);
  });

  it('waits for nothing that has no room', () => {
    const names = Array.from({ length: 5_001 }, (_, index) => namespaceOf(`n${index}`));
    const policies = [policyOf('all', { targetNamespace: '*', allowedRegions: ['eu-west-1'] })];
    expect(plan({ policies, namespaces: names, observed: applied({ policies: [] }) }).unlisted.size).toBe(0);
  });

  it('distinguishes what no label replaces from what can wait', () => {
    const observed = applied();
    const reasonWith = (...more: PolicyInput[]) => plan({ observed, policies: [...POLICIES, ...more] }).actions.map(({ reason }) => reason);
    expect(reasonWith(policyOf('late', { targetNamespace: 'late', allowedRegions: EU }))).toEqual(['Cover']);
    expect(reasonWith(policyOf('wide', { targetNamespace: 'w*', allowedRegions: EU }))).toEqual(['Cover']);
    expect(reasonWith(policyOf('here', { targetNamespace: 'fin-test', allowedRegions: EU }))).toEqual(['Grow']);
    expect(reasonWith(policyOf('again', { targetNamespace: 'planned', allowedRegions: ['eu-west-1'] }))).toEqual(['Grow']);
    const tenants = { ...policyOf('own', { targetNamespace: 'gone', allowedRegions: EU }), key: 'gone/own', namespace: 'gone' };
    expect(reasonWith(tenants)).toEqual(['Grow']);
  });

  it('drops the globs when a namespace does not fit, because it would count as unseen', () => {
    const policies = [policyOf('all', { targetNamespace: '*', allowedRegions: ['eu-west-1'] })];
    const names = (count: number) => Array.from({ length: count }, (_, index) => namespaceOf(`n${index}`));
    expect(specs({ policies, namespaces: names(5_000) })[1]?.patterns).toHaveLength(1);
    expect(specs({ policies, namespaces: names(5_001) })[1]?.patterns).toEqual([]);
  });

  it('has room for 5,000 namespaces of a policy each, and 10,000 nodes, in one object', () => {
    const named = (index: number) => `team-payments-${String(index).padStart(6, '0')}`;
    const indices = Array.from({ length: 5_000 }, (_, index) => index);
    const policies = indices.map((index) =>
      policyOf(`p${named(index)}`, { targetNamespace: named(index), allowedRegions: EU }, { managedBy: 'hub', revision: 'c'.repeat(40) }),
    );
    const namespaces = indices.map((index) => namespaceOf(named(index)));
    const nodes = Array.from({ length: 10_000 }, (_, index) => nodeOf(`ip-10-0-${index}.compute`, 'eu-central-1'));
    const sizes = (round: ParameterRound): number[] => applied(round).map((object) => JSON.stringify(object).length);
    const label = { policies, namespaces, nodes };
    expect(plan(label).overflow).toEqual({ nodes: 0, namespaces: 0, patterns: 0 });
    const list = { ...label, bindGate: 'list' } as const;
    expect(plan(list).overflow).toEqual({ nodes: 0, namespaces: 0, patterns: 0 });
    // In KB, as in docs/reference/limits.md.
    expect([...sizes(label), ...sizes(list)].map((bytes) => Math.round(bytes / 1000))).toEqual([379, 775, 379, 1154]);
  });

  it('keeps what fits, and counts the rest', () => {
    const nodes = Array.from({ length: 10_001 }, (_, index) => nodeOf(`n${index}`, 'eu-west-1'));
    const names = Array.from({ length: 5_002 }, (_, index) => namespaceOf(`n${index}`));
    const policies = [policyOf('all', { targetNamespace: '*', allowedRegions: ['eu-west-1'] })];
    expect(plan({ nodes, namespaces: names, policies }).overflow).toEqual({ nodes: 1, namespaces: 2, patterns: 1 });
    const long = Array.from({ length: 10_000 }, (_, index) => nodeOf(`${'x'.repeat(200)}${index}`, 'eu-west-1'));
    const round = { nodes: long, namespaces: names, policies, bindGate: 'list' } as const;
    expect(plan(round).overflow.nodes).toBeGreaterThan(5_000);
    for (const object of applied(round)) expect(JSON.stringify(object).length).toBeLessThan(1_400_000);
  });
});

const bindGates = fc.constantFrom('label' as const, 'list' as const);
const anyNodes = fc.uniqueArray(
  fc
    .tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('eu-west-1', 'us-east-1', undefined))
    .map(([name, region]) => nodeOf(name, region)),
  { selector: ({ name }) => name },
);
const ALL_NAMESPACES = ALL_NAMES.map((name) => namespaceOf(name));

describe('properties', () => {
  it('has nothing to do once its writes are done', () => {
    fc.assert(
      fc.property(anyPolicies, anyNodes, bindGates, (policies, nodes, bindGate) => {
        const round = { policies, namespaces: ALL_NAMESPACES, nodes, bindGate };
        const observed = applied(round);
        expect(observed).toHaveLength(2);
        expect(plan({ ...round, observed }).actions).toEqual([]);
      }),
    );
  });

  it('does not depend on the order of policies, namespaces and nodes', () => {
    fc.assert(
      fc.property(anyPolicies, anyNodes, bindGates, (policies, nodes, bindGate) => {
        const observed = applied({ policies, namespaces: ALL_NAMESPACES, nodes, bindGate });
        const reversed = { policies: policies.toReversed(), namespaces: ALL_NAMESPACES.toReversed(), nodes: nodes.toReversed(), bindGate };
        expect(plan({ ...reversed, observed }).actions).toEqual([]);
      }),
    );
  });

  it('repairs any other content, and writes only its own two objects', () => {
    fc.assert(
      fc.property(anyPolicies, anyPolicies, anyNodes, (policies, others, nodes) => {
        const round = { policies, namespaces: ALL_NAMESPACES, nodes };
        const wanted = specs(round);
        const foreign: FloorParameters = { metadata: { name: 'foreign' }, spec: {} };
        const observed = [...applied({ policies: others, namespaces: ALL_NAMESPACES, nodes: NODES, bindGate: 'list' }), foreign];
        const written = applied({ ...round, observed });
        const after = observed.map((object) => written.find(({ metadata }) => metadata.name === object.metadata.name) ?? object);
        expect(after.map(({ spec }) => spec)).toEqual([...wanted, {}]);
      }),
    );
  });
});

describe('policiesInParameters', () => {
  it('lists every policy that they name', () => {
    expect(new Set(policiesInParameters(applied()))).toEqual(new Set(['(canary)', 'team/finance', 'team/narrow', 'team/planned']));
  });
});
