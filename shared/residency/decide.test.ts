import { describe, expect, it } from 'vitest';
import { LEGACY_REGION_LABEL, REGION_LABEL } from '../api/index.ts';
import { decideResidency } from './decide.ts';
import type { NodeSelectorRequirement, NodeSelectorTerm, PodPlacement } from './placement.ts';

const ALLOWED = ['eu-west-1', 'eu-central-1'];
const FIX = `set spec.nodeSelector["${REGION_LABEL}"] to one of eu-central-1, eu-west-1`;

const need = (operator: string, values?: string[], key = REGION_LABEL): NodeSelectorRequirement =>
  values === undefined ? { key, operator } : { key, operator, values };
const all = (...matchExpressions: NodeSelectorRequirement[]): NodeSelectorTerm => ({ matchExpressions });
const terms = (...nodeSelectorTerms: NodeSelectorTerm[]): PodPlacement => ({
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
});
const selector = (region: string, key = REGION_LABEL): PodPlacement => ({ nodeSelector: { [key]: region } });
const onNode = (...values: string[]): NodeSelectorTerm => ({ matchFields: [need('In', values, 'metadata.name')] });
const daemonSet = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'logs', uid: '1', controller: true };

const ADMITTED: [string, PodPlacement][] = [
  ['nodeSelector in an allowed region', selector('eu-west-1')],
  ['In with one allowed region', terms(all(need('In', ['eu-west-1'])))],
  ['In with every allowed region', terms(all(need('In', ALLOWED)))],
  ['every term confined', terms(all(need('In', ['eu-west-1'])), all(need('In', ['eu-central-1'])))],
  ['two In on the key that leave an allowed region', terms(all(need('In', ['eu-west-1', 'us-east-1']), need('In', ['eu-west-1', 'x'])))],
  ['In minus NotIn', terms(all(need('In', ['eu-west-1', 'us-east-1']), need('NotIn', ['us-east-1'])))],
  ['nodeSelector cuts an open term', { ...terms(all(need('Exists'))), ...selector('eu-west-1') }],
  ['nodeSelector cuts terms on other keys', { ...terms(all(need('In', ['ssd'], 'disk'))), ...selector('eu-west-1') }],
  [
    'nodeSelector cuts a term with a disallowed region',
    { ...terms(all(need('In', ['eu-west-1', 'us-east-1']))), ...selector('eu-west-1') },
  ],
  ['term and nodeSelector contradict each other', { ...terms(all(need('In', ['us-east-1']))), ...selector('eu-west-1') }],
  ['nodeSelector in a region that the term rules out', { ...terms(all(need('NotIn', ['us-east-1']))), ...selector('us-east-1') }],
  ['two In that contradict each other', terms(all(need('In', ['us-east-1']), need('In', ['us-west-2'])))],
  ['In and DoesNotExist contradict each other', terms(all(need('In', ['us-east-1']), need('DoesNotExist')))],
  ['Exists and DoesNotExist contradict each other', terms(all(need('Exists'), need('DoesNotExist')))],
  ['an empty term matches nothing', terms({})],
  ['a term with empty lists matches nothing', terms({ matchExpressions: [], matchFields: [] })],
  ['an empty term beside a confined one', terms({}, all(need('In', ['eu-west-1'])))],
  ['In cuts Gt', terms(all(need('Gt', ['5']), need('In', ['eu-west-1'])))],
  ['region and zone together', terms(all(need('In', ['eu-west-1']), need('In', ['eu-west-1a'], 'topology.kubernetes.io/zone')))],
  ['matchFields that a region confines as well', terms({ ...onNode('node-1'), ...all(need('In', ['eu-west-1'])) })],
  ['pod of a DaemonSet, pinned to one node', { ...terms(onNode('node-1')), ownerReferences: [daemonSet] }],
];

const T1 = 'required node affinity term 1';
const REFUSED: [string, PodPlacement, string][] = [
  ['nothing', {}, 'nothing in the pod confines it to a region'],
  ['nodeSelector on another key', selector('ssd', 'disk'), 'nothing in the pod confines it to a region'],
  ['the legacy key in nodeSelector', selector('eu-west-1', LEGACY_REGION_LABEL), 'nothing in the pod confines it to a region'],
  ['an empty list of terms', terms(), 'nothing in the pod confines it to a region'],
  ['nodeSelector in a disallowed region', selector('us-east-1'), 'spec.nodeSelector allows region "us-east-1"'],
  ['an empty region', selector(''), 'spec.nodeSelector allows region ""'],
  ['a region that only begins like an allowed one', selector('eu-west-10'), 'spec.nodeSelector allows region "eu-west-10"'],
  ['another case', selector('EU-WEST-1'), 'spec.nodeSelector allows region "EU-WEST-1"'],
  [
    'the zone instead of the region',
    terms(all(need('In', ['eu-west-1a'], 'topology.kubernetes.io/zone'))),
    `${T1} does not confine the region`,
  ],
  ['the legacy key in a term', terms(all(need('In', ['eu-west-1'], LEGACY_REGION_LABEL))), `${T1} does not confine the region`],
  ['one disallowed value among allowed', terms(all(need('In', ['eu-west-1', 'us-east-1']))), `${T1} allows region "us-east-1"`],
  [
    'a second, free term',
    terms(all(need('In', ['eu-west-1'])), all(need('In', ['ssd'], 'disk'))),
    'required node affinity term 2 does not confine the region',
  ],
  [
    'a second term elsewhere',
    terms(all(need('In', ['eu-west-1'])), all(need('In', ['us-east-1']))),
    'required node affinity term 2 allows region "us-east-1"',
  ],
  [
    'an empty term first does not shift the count',
    terms({}, all(need('Exists'))),
    'required node affinity term 2 does not confine the region',
  ],
  ['NotIn leaves everything else', terms(all(need('NotIn', ['us-east-1']))), `${T1} does not confine the region`],
  ['NotIn of an allowed region', terms(all(need('NotIn', ['eu-west-1']))), `${T1} does not confine the region`],
  ['Exists', terms(all(need('Exists'))), `${T1} does not confine the region`],
  ['DoesNotExist', terms(all(need('DoesNotExist'))), `${T1} allows nodes without a region`],
  ['DoesNotExist and NotIn', terms(all(need('DoesNotExist'), need('NotIn', ['x']))), `${T1} allows nodes without a region`],
  ['Gt', terms(all(need('Gt', ['5']))), `${T1} does not confine the region`],
  ['Gt does not cut an In', terms(all(need('In', ['us-east-1']), need('Gt', ['5']))), `${T1} allows region "us-east-1"`],
  ['an unknown operator', terms(all(need('Near', ['eu-west-1']))), `${T1} does not confine the region`],
  ['a node by name', terms(onNode('node-1')), `${T1} selects a node by name, not by region`],
  ['nodeName', { nodeName: 'node-1' }, 'spec.nodeName bypasses the scheduler'],
  ['nodeName beside a good nodeSelector', { nodeName: 'node-1', ...selector('eu-west-1') }, 'spec.nodeName bypasses the scheduler'],
  [
    'nodeName in the shape of a DaemonSet pod',
    { nodeName: 'node-1', ...terms(onNode('node-1')), ownerReferences: [daemonSet] },
    'spec.nodeName bypasses the scheduler',
  ],
  [
    'DaemonSet shape without the controller flag',
    { ...terms(onNode('node-1')), ownerReferences: [{ ...daemonSet, controller: false }] },
    `${T1} selects a node by name, not by region`,
  ],
  [
    'DaemonSet shape owned by a ReplicaSet',
    { ...terms(onNode('node-1')), ownerReferences: [{ ...daemonSet, kind: 'ReplicaSet' }] },
    `${T1} selects a node by name, not by region`,
  ],
  [
    'DaemonSet of another API group',
    { ...terms(onNode('node-1')), ownerReferences: [{ ...daemonSet, apiVersion: 'example.org/v1' }] },
    `${T1} selects a node by name, not by region`,
  ],
  [
    'DaemonSet shape with two nodes',
    { ...terms(onNode('a', 'b')), ownerReferences: [daemonSet] },
    `${T1} selects a node by name, not by region`,
  ],
  [
    'DaemonSet shape with a free term beside it',
    { ...terms(onNode('a'), all(need('Exists'))), ownerReferences: [daemonSet] },
    `${T1} selects a node by name, not by region`,
  ],
  ['owned by a DaemonSet, without its shape', { ownerReferences: [daemonSet] }, 'nothing in the pod confines it to a region'],
];

describe('decideResidency', () => {
  it.each(ADMITTED)('admits: %s', (_name, pod) => {
    expect(decideResidency(pod, ALLOWED)).toEqual({ admitted: true });
  });

  it.each(REFUSED)('refuses: %s', (_name, pod, violation) => {
    const fix = pod.nodeName === undefined ? FIX : `remove spec.nodeName and ${FIX}`;
    expect(decideResidency(pod, ALLOWED)).toEqual({ admitted: false, violation, fix });
  });

  it('does not take preferences for requirements', () => {
    const preferred = { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: all(need('In', ['eu-west-1'])) }] };
    expect(decideResidency({ affinity: { nodeAffinity: preferred } } as PodPlacement, ALLOWED).admitted).toBe(false);
  });

  it('reads null as absent', () => {
    const pod = JSON.parse(
      '{"nodeSelector":null,"ownerReferences":null,"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[null,{"matchExpressions":null,"matchFields":null}]}}}}',
    ) as PodPlacement;
    expect(decideResidency(pod, ALLOWED)).toEqual({ admitted: true });
  });

  it('admits nothing that can run where no region is allowed', () => {
    expect(decideResidency(selector('eu-west-1'), [])).toEqual({
      admitted: false,
      violation: 'spec.nodeSelector allows region "eu-west-1"',
      fix: 'no region is allowed, ask the owners of the policies',
    });
  });

  it('is not misled by names that every object has', () => {
    expect(decideResidency(selector('constructor'), ALLOWED).admitted).toBe(false);
  });
});
