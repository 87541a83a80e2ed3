import { LEGACY_REGION_LABEL, type ObjectMeta, REGION_LABEL } from '@fso/shared/api';
import type { NodeSelectorRequirement, NodeSelectorTerm, PlacementSpec } from '@fso/shared/residency';

/** Regions that the policy of the table allows. */
export const ALLOWED = ['eu-central-1', 'eu-west-1'] as const;

export interface DecisionCase {
  readonly name: string;
  readonly pod: PlacementSpec & { readonly ownerReferences?: ObjectMeta['ownerReferences'] };
  readonly admitted: boolean;
}

export const on = (operator: string, ...values: string[]): NodeSelectorRequirement =>
  values.length > 0 ? { key: REGION_LABEL, operator, values } : { key: REGION_LABEL, operator };

const other: NodeSelectorRequirement = { key: 'disk', operator: 'In', values: ['ssd'] };

export const affinity = (...nodeSelectorTerms: NodeSelectorTerm[]): PlacementSpec => ({
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
});

const repeated = (count: number, requirement: NodeSelectorRequirement): NodeSelectorRequirement[] =>
  Array.from({ length: count }, () => requirement);
const term = (...matchExpressions: NodeSelectorRequirement[]): NodeSelectorTerm => ({ matchExpressions });
const required = (...expressions: NodeSelectorRequirement[]): PlacementSpec => affinity(term(...expressions));
const selector = (region: string): PlacementSpec => ({ nodeSelector: { [REGION_LABEL]: region } });

const preferred = {
  affinity: {
    nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: term(on('In', 'eu-west-1')) }] },
  },
} as PlacementSpec;

export const daemonSetOwner: NonNullable<ObjectMeta['ownerReferences']> = [
  { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'agent', uid: '8f6f3b5e-5b0e-4a53-9d3a-3d1b7a1c0001', controller: true },
];

export const byNodeName: NodeSelectorTerm = { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['us-east-1-a'] }] };

/** Every rule and every known bypass, with the verdict that all three implementations must give. */
export const CASES: readonly DecisionCase[] = [
  { name: 'no constraint', pod: {}, admitted: false },
  { name: 'nodeSelector on an allowed region', pod: selector('eu-west-1'), admitted: true },
  { name: 'nodeSelector on another region', pod: selector('us-east-1'), admitted: false },
  { name: 'nodeSelector on the legacy key', pod: { nodeSelector: { [LEGACY_REGION_LABEL]: 'eu-west-1' } }, admitted: false },
  { name: 'nodeSelector on a zone', pod: { nodeSelector: { 'topology.kubernetes.io/zone': 'eu-west-1a' } }, admitted: false },
  { name: 'nodeSelector on the empty region', pod: selector(''), admitted: false },
  { name: 'In the empty region', pod: required(on('In', '')), admitted: false },
  { name: 'In allowed regions', pod: required(on('In', 'eu-west-1', 'eu-central-1')), admitted: true },
  { name: 'In a region too many', pod: required(on('In', 'eu-west-1', 'us-east-1')), admitted: false },
  { name: 'a second term that is free', pod: affinity(term(on('In', 'eu-west-1')), term(other)), admitted: false },
  { name: 'a second term elsewhere', pod: affinity(term(on('In', 'eu-west-1')), term(on('In', 'us-east-1'))), admitted: false },
  { name: 'a free term cut by the nodeSelector', pod: { ...affinity(term(other)), ...selector('eu-west-1') }, admitted: true },
  {
    name: 'a term cut to nothing by the nodeSelector',
    pod: { ...required(on('In', 'us-east-1')), ...selector('eu-west-1') },
    admitted: true,
  },
  {
    name: 'a nodeSelector that contradicts elsewhere',
    pod: { ...required(on('In', 'eu-west-1')), ...selector('us-east-1') },
    admitted: true,
  },
  { name: 'NotIn', pod: required(on('NotIn', 'us-east-1')), admitted: false },
  { name: 'NotIn and Exists', pod: required(on('NotIn', 'us-east-1'), on('Exists')), admitted: false },
  { name: 'In cut by NotIn', pod: required(on('In', 'eu-west-1', 'us-east-1'), on('NotIn', 'us-east-1')), admitted: true },
  { name: 'Exists', pod: required(on('Exists')), admitted: false },
  { name: 'DoesNotExist', pod: required(on('DoesNotExist')), admitted: false },
  { name: 'DoesNotExist beside NotIn', pod: required(on('DoesNotExist'), on('NotIn', 'eu-west-1')), admitted: false },
  { name: 'In and DoesNotExist contradict', pod: required(on('In', 'us-east-1'), on('DoesNotExist')), admitted: true },
  {
    name: 'two In that meet in an allowed region',
    pod: required(on('In', 'us-east-1', 'eu-west-1'), on('In', 'eu-west-1')),
    admitted: true,
  },
  { name: 'two In that meet nowhere', pod: required(on('In', 'us-east-1'), on('In', 'us-west-2')), admitted: true },
  { name: 'two In that meet elsewhere', pod: required(on('In', 'us-east-1', 'eu-west-1'), on('In', 'us-east-1')), admitted: false },
  { name: 'Gt is unbounded', pod: required(on('Gt', '1')), admitted: false },
  { name: 'Lt cut by In', pod: required(on('Lt', '9'), on('In', 'eu-west-1')), admitted: true },
  {
    name: 'Gt before In: the region named is the first of In',
    pod: required(on('Gt', 'us-west-2'), on('In', 'us-east-1', 'us-west-2')),
    admitted: false,
  },
  { name: 'only an empty term', pod: affinity({}), admitted: true },
  { name: 'an empty term beside an allowed one', pod: affinity({}, term(on('In', 'eu-west-1'))), admitted: true },
  { name: 'an empty term beside a free one', pod: affinity({}, term(other)), admitted: false },
  { name: 'a node by name', pod: affinity(byNodeName), admitted: false },
  { name: 'a node by name in an allowed region', pod: affinity({ ...byNodeName, ...term(on('In', 'eu-west-1')) }), admitted: true },
  { name: 'preferred only', pod: preferred, admitted: false },
  {
    name: 'the largest affinity that is judged',
    pod: affinity(...Array.from({ length: 100 }, () => term(on('In', ...ALLOWED)))),
    admitted: true,
  },
  { name: 'a term too many', pod: affinity(...Array.from({ length: 101 }, () => term(on('In', 'eu-west-1')))), admitted: false },
  { name: 'regions too many to judge', pod: required(on('In', ...Array.from({ length: 500 }, (_, i) => `r-${i}`))), admitted: false },
  { name: 'as many requirements as are judged', pod: required(...repeated(999, other), on('In', 'eu-west-1')), admitted: true },
  { name: 'a requirement too many', pod: required(...repeated(1000, other), on('In', 'eu-west-1')), admitted: false },
  { name: 'nodeName', pod: { nodeName: 'us-east-1-a' }, admitted: false },
  { name: 'nodeName beside an allowed nodeSelector', pod: { nodeName: 'eu-west-1-a', ...selector('eu-west-1') }, admitted: false },
];
