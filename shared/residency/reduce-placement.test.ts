import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REGION_LABEL } from '../api/index.ts';
import { decideResidency, schedulableRegions } from './decide.ts';
import type { NodeSelectorRequirement, NodeSelectorTerm, PodPlacement } from './placement.ts';
import { reducePlacement } from './reduce-placement.ts';

const ALLOWED = ['eu-west-1', 'eu-central-1'];
const LONG = ['a', 'b'].map((end) => `${'x'.repeat(70)}${end}`);

const key = fc.constantFrom(REGION_LABEL, REGION_LABEL, 'disk', 'metadata.name');
const operator = fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt', 'Near');
const requirementOf = (values: readonly string[]): fc.Arbitrary<NodeSelectorRequirement> =>
  fc.record({ key, operator, values: fc.subarray([...values]) }, { requiredKeys: ['key', 'operator'] });
const oneNode: NodeSelectorTerm = { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-1'] }] };

/** Terms as they are, empty, of one node, and many enough of one thing to be past a bound. */
const termOf = (values: readonly string[]): fc.Arbitrary<NodeSelectorTerm | null> =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record(
        {
          matchExpressions: fc.array(requirementOf(values), { maxLength: 3 }),
          matchFields: fc.array(requirementOf(values), { maxLength: 2 }),
        },
        { requiredKeys: [] },
      ),
    },
    { weight: 3, arbitrary: fc.constant(oneNode) },
    { weight: 1, arbitrary: fc.constantFrom(null, {}) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(requirementOf(values), fc.constantFrom(249, 501, 999, 1_001))
        .map(([requirement, count]) => ({ matchExpressions: Array.from({ length: count }, () => requirement) })),
    },
  );

const owners = fc.subarray([
  { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'logs', uid: '1', controller: true },
  { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: '2', controller: true },
]);

const podsOf = (values: readonly string[]): fc.Arbitrary<PodPlacement> =>
  fc
    .record(
      {
        region: fc.constantFrom(...values),
        junk: fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
        terms: fc.oneof(
          { weight: 6, arbitrary: fc.array(termOf(values), { maxLength: 4 }) },
          {
            weight: 1,
            arbitrary: fc
              .tuple(termOf(values), fc.constantFrom(100, 101))
              .map(([term, count]) => Array.from({ length: count }, () => term)),
          },
        ),
        ownerReferences: owners,
        nodeName: fc.constantFrom('', 'node-1'),
      },
      { requiredKeys: [] },
    )
    .map(({ region, junk, terms, ...pod }) => ({
      ...pod,
      ...(region === undefined && junk === undefined
        ? {}
        : { nodeSelector: { ...junk, ...(region === undefined ? {} : { [REGION_LABEL]: region }) } }),
      ...(terms === undefined
        ? {}
        : {
            affinity: {
              nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms as NodeSelectorTerm[] } },
            },
          }),
    }));

describe('a reduced pod', () => {
  it('gets the same decision as the whole one, in the same words', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(podsOf([...ALLOWED, 'us-east-1', '']), (pod) => {
        const decision = decideResidency(pod, ALLOWED);
        expect(decideResidency(reducePlacement(pod), ALLOWED)).toEqual(decision);
        const kind = decision.admitted ? 'admitted' : decision.violation.replace(/\d+|"[^"]*"/g, '');
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
      }),
      { numRuns: 5_000 },
    );
    // Every way that a decision can go was met.
    expect(seen.size).toBeGreaterThan(8);
  });

  it('is admitted where all regions are allowed in which it may be scheduled, and nowhere else', () => {
    const regions = [...ALLOWED, 'us-east-1', ''];
    fc.assert(
      fc.property(podsOf(regions), fc.subarray(regions), (pod, allowed) => {
        const found = schedulableRegions(reducePlacement(pod));
        expect(found?.every((region) => allowed.includes(region)) ?? false).toBe(decideResidency(pod, allowed).admitted);
      }),
      { numRuns: 2_000 },
    );
  });

  it('gets the same decision as the whole one where regions are longer than a label', () => {
    fc.assert(
      fc.property(podsOf([...LONG, 'eu-west-1']), (pod) => {
        expect(decideResidency(reducePlacement(pod), ALLOWED).admitted).toBe(decideResidency(pod, ALLOWED).admitted);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is small for any input, and does not change when it is reduced again', () => {
    const many = (count: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'x'.repeat(63)]));
    const on = (name: string, values: string[]): NodeSelectorRequirement => ({ key: name, operator: 'In', values });
    const values = Array.from({ length: 5_000 }, (_, index) => `r-${index}`);
    const affinity = (...nodeSelectorTerms: NodeSelectorTerm[]): PodPlacement => ({
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
    });
    const fat: readonly PodPlacement[] = [
      { nodeSelector: { ...many(20_000), [REGION_LABEL]: 'eu-west-1' } },
      affinity({ matchExpressions: [on('disk', values)] }),
      affinity({ matchExpressions: [on(REGION_LABEL, values)] }),
      affinity(...values.map((value) => ({ matchExpressions: [on('disk', [value])] }))),
      affinity({ matchExpressions: [on(REGION_LABEL, ['x'.repeat(1_000_000)])] }),
    ];
    for (const pod of fat) {
      const reduced = reducePlacement(pod);
      expect(JSON.stringify(reduced).length).toBeLessThan(1_000);
      expect(reducePlacement(reduced)).toEqual(reduced);
    }
  });
});
