import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LEGACY_REGION_LABEL, REGION_LABEL } from '../api/index.ts';
import { decideResidency } from './decide.ts';
import type { NodeSelectorRequirement, NodeSelectorTerm, PodPlacement } from './placement.ts';

interface TestNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Kubernetes' own matching of a pod's required node constraints, written independently: one node at
 * a time, no sets of regions.
 */
const matchesNode = (pod: PodPlacement, node: TestNode): boolean => {
  if (!Object.entries(pod.nodeSelector ?? {}).every(([key, value]) => node.labels[key] === value)) return false;
  const required = pod.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || (required.nodeSelectorTerms ?? []).some((term) => matchesTerm(term, node));
};

const matchesTerm = ({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: TestNode): boolean =>
  matchExpressions.length + matchFields.length > 0 &&
  matchExpressions.every((requirement) => holds(requirement, node.labels[requirement.key])) &&
  matchFields.every((requirement) => holds(requirement, node.name));

const OPERATORS: Readonly<Record<string, (value: string | undefined, values: readonly string[]) => boolean>> = {
  In: (value, values) => value !== undefined && values.includes(value),
  NotIn: (value, values) => value === undefined || !values.includes(value),
  Exists: (value) => value !== undefined,
  DoesNotExist: (value) => value === undefined,
  Gt: (value, [bound]) => isNumber(value) && Number(value) > Number(bound),
  Lt: (value, [bound]) => isNumber(value) && Number(value) < Number(bound),
};
const isNumber = (value: string | undefined): boolean => value !== undefined && /^-?\d+$/.test(value);

const holds = ({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean =>
  OPERATORS[operator]?.(value, values) ?? false;

const ALLOWED = ['eu-west-1', 'eu-central-1', '7'];
/** Every region that a generated pod may name, and one that it never does. */
const REGIONS = [...ALLOWED, 'us-east-1', 'ap-southeast-1', '3', '9', 'never-named'];

const nodes: readonly TestNode[] = [undefined, ...REGIONS].flatMap((region) =>
  [undefined, 'eu-west-1'].flatMap((legacy) =>
    [undefined, 'a', 'b'].map((zone) => ({
      name: 'node-1',
      labels: {
        ...(region === undefined ? {} : { [REGION_LABEL]: region }),
        ...(legacy === undefined ? {} : { [LEGACY_REGION_LABEL]: legacy }),
        ...(zone === undefined ? {} : { zone }),
      },
    })),
  ),
);
const forbidden = nodes.filter(({ labels }) => !ALLOWED.includes(labels[REGION_LABEL] ?? 'none'));

const regions = fc.subarray(REGIONS.slice(0, -1), { minLength: 1, maxLength: 3 });
const onRegion: fc.Arbitrary<NodeSelectorRequirement> = fc.oneof(
  fc.record({ key: fc.constant(REGION_LABEL), operator: fc.constantFrom('In', 'NotIn'), values: regions }),
  fc.record({ key: fc.constant(REGION_LABEL), operator: fc.constantFrom('Exists', 'DoesNotExist') }),
);
const byNumber = fc.record({
  key: fc.constant(REGION_LABEL),
  operator: fc.constantFrom('Gt', 'Lt'),
  values: fc.constantFrom('2', '5', '8').map((bound) => [bound]),
});
const onOther = fc.record({
  key: fc.constantFrom(LEGACY_REGION_LABEL, 'zone'),
  operator: fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist'),
  values: fc.subarray(['a', 'eu-west-1'], { minLength: 1 }),
});
const byName: fc.Arbitrary<NodeSelectorRequirement> = fc.record({
  key: fc.constant('metadata.name'),
  operator: fc.constantFrom('In', 'NotIn'),
  values: fc.constant(['node-1']),
});

const nodeSelector = fc.option(
  fc.constantFrom<Record<string, string>>(
    ...REGIONS.slice(0, -1).map((region) => ({ [REGION_LABEL]: region })),
    { zone: 'a' },
    { [LEGACY_REGION_LABEL]: 'eu-west-1' },
  ),
  { nil: undefined },
);
const podOf = (terms: fc.Arbitrary<NodeSelectorTerm[]>): fc.Arbitrary<PodPlacement> =>
  fc.tuple(nodeSelector, fc.option(terms, { nil: undefined })).map(([selector, nodeSelectorTerms]) => ({
    ...(selector === undefined ? {} : { nodeSelector: selector }),
    ...(nodeSelectorTerms === undefined
      ? {}
      : { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } }),
  }));

const anyPod = podOf(
  fc.array(
    fc.record({
      matchExpressions: fc.array(fc.oneof({ weight: 4, arbitrary: onRegion }, byNumber, onOther), { maxLength: 4 }),
      matchFields: fc.array(byName, { maxLength: 1 }),
    }),
    { maxLength: 3 },
  ),
);

/**
 * Pods whose fate the region alone decides. Left out, since there the decision is deliberately
 * stricter than Kubernetes: Gt and Lt, matchFields, requirements on other keys (which could
 * contradict each other), and an empty list of terms.
 */
const regionOnlyPod = podOf(
  fc.array(fc.record({ matchExpressions: fc.array(onRegion, { maxLength: 4 }) }), { minLength: 1, maxLength: 3 }),
).filter(({ nodeSelector: selector }) => Object.keys(selector ?? {}).every((key) => key === REGION_LABEL));

describe('decideResidency against a matcher of nodes', () => {
  it('admits no pod that a forbidden node, or one without a region, would match', () => {
    fc.assert(
      fc.property(anyPod, (pod) => {
        fc.pre(decideResidency(pod, ALLOWED).admitted);
        expect(forbidden.filter((node) => matchesNode(pod, node))).toEqual([]);
      }),
      { numRuns: 3000, maxSkipsPerRun: 1000 },
    );
  });

  it('admits every pod that no such node matches, but for the listed exceptions', () => {
    fc.assert(
      fc.property(regionOnlyPod, (pod) => {
        fc.pre(!forbidden.some((node) => matchesNode(pod, node)));
        expect(decideResidency(pod, ALLOWED)).toEqual({ admitted: true });
      }),
      { numRuns: 3000, maxSkipsPerRun: 1000 },
    );
  });

  it('names a fix that works: a refused pod that follows it is admitted', () => {
    fc.assert(
      fc.property(anyPod, fc.constantFrom(...ALLOWED), (pod, region) => {
        fc.pre(!decideResidency(pod, ALLOWED).admitted);
        const fixed = { ...pod, nodeSelector: { ...pod.nodeSelector, [REGION_LABEL]: region } };
        expect(decideResidency(fixed, ALLOWED)).toEqual({ admitted: true });
      }),
    );
  });
});
