import { LEGACY_REGION_LABEL, REGION_LABEL } from '@fso/shared/api';
import {
  MAX_REGION_VALUES,
  MAX_REQUIREMENTS,
  MAX_TERMS,
  type NodeSelectorRequirement,
  type NodeSelectorTerm,
  type PlacementSpec,
} from '@fso/shared/residency';
import fc from 'fast-check';

/** Few, so that terms meet and contradict each other. */
const COMMON_REGIONS = ['eu-west-1', 'eu-central-1', 'us-east-1', 'us-west-2'];
/** Near misses, numbers, and texts that a program may misread. All of them are valid label values. */
const ODD_REGIONS = [
  ...['', 'EU-WEST-1', 'eu-west-10', 'eu-west', 'eu_west.1', 'null', 'true', 'constructor', 'r'.repeat(63)],
  ...['0', '3', '5', '6', '7', '007', '12', '9223372036854775807'],
];
/** Invalid label values. The API server refuses them in a new pod, but an implementation may still get them. */
const IMPOSSIBLE_VALUES = ['eu west', '-5', 'région', '日本', 'eu-west-1,us-east-1', '"', '%s', '\\', 'a\nb', '🌍', 'r'.repeat(64)];

const DISKS = ['ssd', 'hdd', '3', '5'];
const ZONE_LABEL = 'topology.kubernetes.io/zone';
const OTHER_KEYS: readonly (readonly [string, readonly string[]])[] = [
  ['disk', DISKS],
  [ZONE_LABEL, ['eu-west-1a', 'us-east-1a']],
  [LEGACY_REGION_LABEL, ['eu-west-1', 'us-east-1']],
];

const repeated = <T>(times: number, values: readonly T[]): T[] => Array.from({ length: times }, () => values).flat();
const someOf = (values: fc.Arbitrary<string>, maxLength: number) => fc.array(values, { minLength: 1, maxLength });

/**
 * Regions of which one is often on both sides: otherwise most pods would be refused for the same
 * reason.
 */
const usual = [...repeated(40, ['eu-west-1']), ...repeated(10, COMMON_REGIONS)];
const region = fc.constantFrom(...usual, ...ODD_REGIONS);
const regions = fc.oneof(
  { weight: 30, arbitrary: someOf(region, 3) },
  {
    weight: 1,
    arbitrary: fc.nat({ max: 30 }).map((count) => [...COMMON_REGIONS, ...Array.from({ length: count }, (_, at) => `region-${at}`)]),
  },
);
/** Numbers, and texts that Kubernetes does not read as numbers (the API server accepts them). */
const bound = fc.constantFrom(...repeated(3, ['3', '5', '6']), 'x1', '', '007', '99999999999999999999', ...COMMON_REGIONS);

const requirement = (key: string, operator: string, values?: string[]): NodeSelectorRequirement =>
  values === undefined ? { key, operator } : { key, operator, values };

/** Every operator on one key. */
const onKey = (key: string, values: fc.Arbitrary<string[]>, bounds: fc.Arbitrary<string>): fc.Arbitrary<NodeSelectorRequirement> =>
  fc.oneof(
    { weight: 8, arbitrary: values.map((list) => requirement(key, 'In', list)) },
    { weight: 3, arbitrary: values.map((list) => requirement(key, 'NotIn', list)) },
    { weight: 1, arbitrary: fc.constantFrom('Exists', 'DoesNotExist').map((operator) => requirement(key, operator)) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom('Gt', 'Lt'), bounds).map(([operator, at]) => requirement(key, operator, [at])) },
  );

const onOther = fc.oneof(...OTHER_KEYS.map(([key, values]) => onKey(key, someOf(fc.constantFrom(...values), 2), bound)));

/** Values that the API server would refuse. */
const malformed: fc.Arbitrary<NodeSelectorRequirement> = fc.oneof(
  fc
    .tuple(fc.constantFrom('In', 'NotIn'), someOf(fc.constantFrom(...COMMON_REGIONS, ...IMPOSSIBLE_VALUES), 3))
    .map(([operator, values]) => requirement(REGION_LABEL, operator, values)),
  fc.constantFrom('In', 'NotIn', 'Gt', 'Lt').map((operator) => requirement(REGION_LABEL, operator, [])),
  fc.constantFrom('Exists', 'DoesNotExist').map((operator) => requirement(REGION_LABEL, operator, ['eu-west-1'])),
  fc.constantFrom('Near', 'in', '').map((operator) => requirement(REGION_LABEL, operator, ['eu-west-1'])),
);

const nodeName = fc.constantFrom('eu-west-1-a', 'us-east-1-a');
const field = fc
  .tuple(fc.constantFrom('In', 'In', 'NotIn'), nodeName)
  .map(([operator, name]) => requirement('metadata.name', operator, [name]));

const termOf = (expression: fc.Arbitrary<NodeSelectorRequirement>): fc.Arbitrary<NodeSelectorTerm> => {
  const expressions = fc.array(expression, { minLength: 1, maxLength: 4 });
  const fields = fc.array(field, { minLength: 1, maxLength: 2 });
  return fc.oneof(
    { weight: 20, arbitrary: expressions.map((matchExpressions) => ({ matchExpressions })) },
    { weight: 1, arbitrary: fields.map((matchFields) => ({ matchFields })) },
    { weight: 1, arbitrary: fc.tuple(expressions, fields).map(([matchExpressions, matchFields]) => ({ matchExpressions, matchFields })) },
    { weight: 1, arbitrary: fc.constantFrom({}, { matchExpressions: [], matchFields: [] }, null as unknown as NodeSelectorTerm) },
  );
};

const nodeSelector: fc.Arbitrary<Record<string, string>> = fc.oneof(
  { weight: 3, arbitrary: region.map((value) => ({ [REGION_LABEL]: value })) },
  { weight: 1, arbitrary: fc.constantFrom(...OTHER_KEYS).map(([key, [value = '']]) => ({ [key]: value })) },
  {
    weight: 1,
    arbitrary: fc.tuple(region, fc.constantFrom(...DISKS)).map(([value, disk]) => ({ [REGION_LABEL]: value, disk })),
  },
  { weight: 1, arbitrary: fc.constant({}) },
);

/** Present in one of this many pods. */
const oneIn = <T>(count: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: count - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

const pick = <K extends string, V>(name: K, value: V | undefined): { [name in K]?: V } =>
  value === undefined ? {} : ({ [name]: value } as { [name in K]?: V });

/** About as many requirements as the decision judges at most. */
const crowded: fc.Arbitrary<NodeSelectorTerm[]> = fc.tuple(region, fc.constantFrom(-1, 0, 1)).map(([value, more]) => {
  const others = Array.from({ length: MAX_REQUIREMENTS - 1 + more }, () => requirement('disk', 'Exists', []));
  return [{ matchExpressions: [...others, requirement(REGION_LABEL, 'In', [value])] }];
});

/** About as large as the decision judges at most: in terms, and in what they say of the region. */
const oversized: fc.Arbitrary<NodeSelectorTerm[]> = fc
  .tuple(region, fc.constantFrom(MAX_TERMS - 1, MAX_TERMS, MAX_TERMS + 1), fc.constantFrom(1, 1, 5, 6))
  .map(([value, count, repeated]) => {
    // Each requirement counts twice, for itself and its value.
    const matchExpressions = Array.from({ length: repeated }, () => requirement(REGION_LABEL, 'In', [value]));
    return Array.from({ length: repeated === 1 ? count : Math.ceil(MAX_REGION_VALUES / (2 * repeated)) }, () => ({ matchExpressions }));
  });

const placement = (expression: fc.Arbitrary<NodeSelectorRequirement>, minTerms: 0 | 1): fc.Arbitrary<PlacementSpec> => {
  const term = termOf(expression);
  const terms = fc.oneof(
    { weight: 100, arbitrary: fc.array(term, { minLength: minTerms, maxLength: 3 }) },
    { weight: 5, arbitrary: fc.array(term, { minLength: minTerms, maxLength: 12 }) },
    { weight: 1, arbitrary: fc.oneof({ weight: 3, arbitrary: oversized }, { weight: 1, arbitrary: crowded }) },
  );
  const required = fc.option(terms, { nil: undefined, freq: 8 });
  return fc
    .tuple(required, oneIn(20, term), oneIn(3, nodeSelector), oneIn(30, nodeName))
    .map(([nodeSelectorTerms, preference, selector, name]) => {
      const nodeAffinity = {
        ...pick('requiredDuringSchedulingIgnoredDuringExecution', nodeSelectorTerms && { nodeSelectorTerms }),
        ...pick('preferredDuringSchedulingIgnoredDuringExecution', preference && [{ weight: 1, preference }]),
      };
      return {
        ...(Object.keys(nodeAffinity).length === 0 ? {} : { affinity: { nodeAffinity } }),
        ...pick('nodeSelector', selector),
        ...pick('nodeName', name),
      };
    });
};

const onRegion = onKey(REGION_LABEL, regions, bound);

/** Placements as the API server accepts them. */
export const acceptedPlacement: fc.Arbitrary<PlacementSpec> = placement(
  fc.oneof({ weight: 3, arbitrary: onRegion }, { weight: 1, arbitrary: onOther }),
  1,
);

/** Placements of which the API server would refuse some. */
export const anyPlacement: fc.Arbitrary<PlacementSpec> = fc.oneof(
  { weight: 9, arbitrary: acceptedPlacement },
  {
    weight: 1,
    arbitrary: placement(
      fc.oneof({ weight: 3, arbitrary: onRegion }, { weight: 1, arbitrary: onOther }, { weight: 1, arbitrary: malformed }),
      0,
    ),
  },
);

/** Lists as policies allow them: any valid value of a region label, or none (policies that exclude each other). */
export const allowedRegions: fc.Arbitrary<string[]> = fc.uniqueArray(
  fc.constantFrom(...usual, ...ODD_REGIONS.filter((text) => text !== '')),
  { maxLength: 6 },
);
