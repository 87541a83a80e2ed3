import type { Node } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import type { Pod } from '../cache/index.ts';
import type { PolicyOutcome } from '../enforce/index.ts';
import { MAX_SAMPLES, NO_VIOLATIONS, ViolationFinder, type ViolationInput } from './violations.ts';

const REGION = 'topology.kubernetes.io/region';
const outcome: PolicyOutcome = { kind: 'governing', regions: ['eu-west-1'], namespaces: ['finance'], conflicts: [] };
const node = (name: string, labels?: Record<string, string>): Node => ({ metadata: { name, ...(labels && { labels }) } });
const nodes: Record<string, Node> = {
  in: node('in', { [REGION]: 'eu-west-1' }),
  out: node('out', { [REGION]: 'us-east-1' }),
  bare: node('bare'),
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
    ]);
    expect(found.samples.map(({ name, region }) => [name, region])).toEqual([
      ['bare', undefined],
      ['gone', undefined],
      ['out', 'us-east-1'],
    ]);
  });

  it('judges a bound pod again once a node has another region', () => {
    const finder = new ViolationFinder();
    const pods = [pod('a', { spec: { nodeName: 'in' } })];
    const moved = { get: () => nodes['out'] };
    const countOf = (now: ViolationInput) => foundBy(finder, now).count;
    expect([input(pods), { ...input(pods), nodes: moved }, input([])].map(countOf)).toEqual([0, 1, 0]);
  });

  it('judges a waiting pod by what it asks for', () => {
    const found = find([pod('free'), pod('confined', { spec: { nodeSelector: { [REGION]: 'eu-west-1' } } })]);
    expect(found.samples).toMatchObject([{ name: 'free', reason: expect.stringContaining('may be scheduled outside') }]);
  });

  it('says why in at most as many characters as a report has for it', () => {
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

  it('keeps since when a violation was first seen', () => {
    const finder = new ViolationFinder();
    const stray = pod('stray');
    finder.find(input([stray], '2026-01-01T00:00:00.000Z'));
    const later = finder.find(input([stray], '2026-01-02T00:00:00.000Z')).get('default/p');
    expect(later?.samples[0]?.since).toBe('2026-01-01T00:00:00.000Z');
  });

  it('takes up what an agent before it saw, once', () => {
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
