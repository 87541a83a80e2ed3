import { byText } from '@fso/shared/encoding';
import { describe, expect, it } from 'vitest';
import type { PlacedNode, Pod } from '../cache/index.ts';
import type { PolicyOutcome } from '../enforce/index.ts';
import { NAMED_PER_NAMESPACE } from './stray-pods.ts';
import { MAX_SAMPLES, NO_VIOLATIONS, ViolationFinder, type ViolationInput } from './violations.ts';

const REGION = 'topology.kubernetes.io/region';
const outcome: PolicyOutcome = { kind: 'governing', regions: ['eu-west-1'], namespaces: ['finance'], conflicts: [] };
const node = (name: string, more: Partial<PlacedNode> = {}): PlacedNode => ({
  name,
  uid: undefined,
  labelled: more.region,
  zone: undefined,
  verdict: 'unchecked',
  ...more,
});
const nodes: Record<string, PlacedNode> = {
  in: node('in', { region: 'eu-west-1' }),
  out: node('out', { region: 'us-east-1' }),
  bare: node('bare'),
  liar: node('liar', { labelled: 'eu-west-1', verdict: 'disputed', reason: 'spec.providerID says aws/us-east-1' }),
};

const pod = (name: string, changes: Partial<Pod> = {}): Pod => ({
  metadata: { name, namespace: 'finance', uid: name },
  spec: {},
  status: { phase: 'Running' },
  ...changes,
});

const input = (pods: readonly Pod[], now = '2026-01-01T00:00:00.000Z'): ViolationInput => ({
  governance: { policies: new Map([['default/p', outcome]]) },
  podsIn: () => pods,
  nodes: { get: (name) => nodes[name] },
  now: new Date(now),
});

const foundBy = (finder: ViolationFinder, now: ViolationInput) => finder.find(now).get('default/p') ?? NO_VIOLATIONS;
const find = (pods: readonly Pod[]) => foundBy(new ViolationFinder(), input(pods));

describe('ViolationFinder', () => {
  it('judges a bound pod by its node', () => {
    const found = find([
      pod('in', { spec: { nodeName: 'in' } }),
      pod('out', { spec: { nodeName: 'out', nodeSelector: { [REGION]: 'eu-west-1' } } }),
      pod('bare', { spec: { nodeName: 'bare' } }),
      pod('gone', { spec: { nodeName: 'gone' } }),
      pod('lied-to', { spec: { nodeName: 'liar' } }),
    ]);
    expect(found.samples.map(({ name, region }) => [name, region])).toEqual([
      ['bare', undefined],
      ['gone', undefined],
      ['lied-to', undefined],
      ['out', 'us-east-1'],
    ]);
    expect(found.samples.find(({ name }) => name === 'lied-to')?.reason).toBe(
      'runs on node liar, which contradicts itself: spec.providerID says aws/us-east-1',
    );
  });

  it('judges a bound pod again once a node has another region', () => {
    const finder = new ViolationFinder();
    const pods = [pod('a', { spec: { nodeName: 'in' } })];
    const moved = { get: () => nodes['out'] };
    const countOf = (now: ViolationInput) => foundBy(finder, now).count;
    expect([input(pods), { ...input(pods), nodes: moved }, input([])].map(countOf)).toEqual([0, 1, 0]);
  });

  it('judges a waiting pod by its requested placement', () => {
    const found = find([pod('free'), pod('confined', { spec: { nodeSelector: { [REGION]: 'eu-west-1' } } })]);
    expect(found.samples).toMatchObject([{ name: 'free', reason: expect.stringContaining('may be scheduled outside') }]);
  });

  it('explains a violation within the characters that a report has for it', () => {
    const found = find([pod('long', { spec: { nodeSelector: { [REGION]: 'x'.repeat(10_000) } } })]);
    expect(found.samples[0]?.reason).toHaveLength(2048);
  });

  it('leaves finished pods out', () => {
    expect(find([pod('a', { status: { phase: 'Succeeded' } }), pod('b', { status: { phase: 'Failed' } })]).count).toBe(0);
  });

  it('counts all and shows the first', () => {
    const found = find(Array.from({ length: 50 }, (_, i) => pod(`p${String(i).padStart(2, '0')}`)));
    expect(found.count).toBe(50);
    expect(found.samples).toHaveLength(MAX_SAMPLES);
    expect(found.samples[0]?.name).toBe('p00');
  });

  it('keeps the first of a namespace by name, with pods in any order', () => {
    const names = Array.from({ length: 1_000 }, (_, index) => `p${String((index * 7_919) % 1_000).padStart(4, '0')}`);
    const [found] = find(names.map((name) => pod(name))).namespaces;
    expect(found).toMatchObject({ namespace: 'finance', count: 1_000 });
    expect(found?.first.map(({ violation }) => violation.name)).toEqual(names.toSorted(byText).slice(0, NAMED_PER_NAMESPACE));
  });

  it('finds the same again while pods, nodes and regions are the same', () => {
    const finder = new ViolationFinder();
    const [pods, node] = [[pod('a'), pod('b')], { get: () => undefined }];
    const of = (...regions: string[]): PolicyOutcome => ({ kind: 'governing', regions, namespaces: ['finance', 'empty'], conflicts: [] });
    const policies = new Map(Array.from({ length: 20 }, (_, index) => [`finance/p${index}`, of('eu-west-1', `r${index}`)]));
    let looks = 0;
    const counted = {
      [Symbol.iterator]: () => {
        looks += 1;
        return pods.values();
      },
    };
    const empty: readonly Pod[] = [];
    const podsIn = (namespace: string): Iterable<Pod> => (namespace === 'finance' ? counted : empty);
    const round = { governance: { policies }, podsIn, nodes: node, now: new Date() };
    const first = finder.find(round);
    expect([first.size, looks]).toEqual([20, 20]);
    // Another policy with the regions of one that is there adds no work.
    policies.set('team/same', of('eu-west-1', 'r7'));
    const second = finder.find(round);
    expect([second.get('team/same')?.count, looks]).toEqual([2, 20]);
    for (const [policy, violations] of first) expect(second.get(policy)).toBe(violations);
    const { reported } = finder;
    finder.find(round);
    expect(finder.reported).toBe(reported);
    expect(finder.find({ ...round, nodes: { get: () => undefined } }).get('team/same')).toEqual(second.get('team/same'));
    expect(looks).toBe(40);
  });

  it('finds what changed in one of many namespaces, and keeps the times of all', () => {
    const finder = new ViolationFinder();
    const pods = new Map([
      ['a', [pod('x')]],
      ['b', [pod('y')]],
    ]);
    const policies = new Map([['default/p', { ...outcome, namespaces: ['a', 'b'] }]]);
    const look = (now: string) =>
      foundBy(finder, { ...input([], now), governance: { policies }, podsIn: (namespace) => pods.get(namespace) ?? [] });
    look('2026-01-01T00:00:00.000Z');
    pods.set('b', [pod('w'), pod('y')]);
    expect(look('2026-01-02T00:00:00.000Z').samples.map(({ namespace, name, since }) => [namespace, name, since.slice(8, 10)])).toEqual([
      ['a', 'x', '01'],
      ['b', 'w', '02'],
      ['b', 'y', '01'],
    ]);
  });

  it('keeps since when a violation was first seen', () => {
    const finder = new ViolationFinder();
    const stray = pod('stray');
    finder.find(input([stray], '2026-01-01T00:00:00.000Z'));
    const later = finder.find(input([stray], '2026-01-02T00:00:00.000Z')).get('default/p');
    expect(later?.samples[0]?.since).toBe('2026-01-01T00:00:00.000Z');
  });

  it('adopts the times of an earlier agent once', () => {
    const finder = new ViolationFinder();
    const [stray, later] = [pod('stray'), pod('later')];
    const restored = new Map([['default/p|stray', '2025-12-01T00:00:00.000Z']]);
    const sinces = (pods: readonly Pod[], more: Partial<ViolationInput> = {}) =>
      foundBy(finder, { ...input(pods), ...more }).samples.map(({ since }) => since.slice(0, 10));
    // Late, because it could not be read at once.
    expect(sinces([stray])).toEqual(['2026-01-01']);
    expect(sinces([later, stray], { restored })).toEqual(['2026-01-01', '2025-12-01']);
    expect(finder.reported).toEqual(
      new Map([
        ['default/p|later', '2026-01-01T00:00:00.000Z'],
        ['default/p|stray', '2025-12-01T00:00:00.000Z'],
      ]),
    );
    expect(sinces([])).toEqual([]);
    expect(sinces([stray])).toEqual(['2026-01-01']);
  });

  it('keeps no more times than it reports', () => {
    const finder = new ViolationFinder();
    finder.find(input(Array.from({ length: 50 }, (_, i) => pod(`p${i}`))));
    expect(finder.reported.size).toBe(MAX_SAMPLES);
  });
});
