import { FINALIZER, type KubeObject, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { findConstraintProblem, isConstraintEnforced } from '../enforce/index.ts';
import { labelsHeldByOthers } from './managed-fields.ts';
import { isSameNode, reduceNode } from './nodes/reduce-node.ts';
import { isSamePod, type Pod, reduceConstraint, reduceParameters, reducePod, reduceWebhookConfiguration } from './reduce.ts';
import { reducePolicy } from './reduce-policy.ts';

const REQUIRED = {
  nodeSelectorTerms: [{ matchExpressions: [{ key: 'topology.kubernetes.io/region', operator: 'In', values: ['eu-west-1'] }] }],
};
const owner = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'logs', uid: '2', controller: true };

const podOf = (changes: { resourceVersion?: string; phase?: string; nodeName?: string } = {}): Pod =>
  ({
    metadata: {
      name: 'pod',
      namespace: 'finance',
      uid: '1',
      resourceVersion: changes.resourceVersion ?? '7',
      labels: { app: 'web' },
      annotations: { note: 'x'.repeat(10_000) },
      ownerReferences: [owner],
      managedFields: [{ manager: 'kubelet' }],
    },
    spec: {
      nodeName: changes.nodeName ?? 'node-1',
      nodeSelector: { disk: 'ssd' },
      containers: [{ name: 'main', env: [] }],
      affinity: {
        nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: REQUIRED, preferredDuringSchedulingIgnoredDuringExecution: [] },
        podAntiAffinity: {},
      },
    },
    status: { phase: changes.phase ?? 'Running', conditions: [], containerStatuses: [] },
  }) as unknown as Pod;

const nodeOf = (region: string | undefined, resourceVersion = '7'): KubeObject =>
  ({
    metadata: {
      name: 'node-1',
      uid: '1',
      resourceVersion,
      labels: { 'kubernetes.io/hostname': 'node-1', ...(region === undefined ? {} : { 'topology.kubernetes.io/region': region }) },
      annotations: { a: 'b' },
      managedFields: [{ manager: 'kubelet' }],
    },
    status: { images: ['x'.repeat(10_000)] },
  }) as KubeObject;

it('reduces a pod to its placement and owner, and a node to the facts of its place', () => {
  expect(reducePod(podOf())).toEqual({
    metadata: { name: 'pod', namespace: 'finance', uid: '1', resourceVersion: '7', ownerReferences: [{ ...owner, name: '', uid: '' }] },
    spec: {
      nodeName: 'node-1',
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: REQUIRED } },
    },
    status: { phase: 'Running' },
    controller: { kind: 'DaemonSet', name: 'logs' },
  });
  expect(reducePod(podOf()).controller).toBe(reducePod(podOf({ nodeName: 'node-2' })).controller);
  expect(reduceNode(nodeOf('eu-west-1'))).toEqual({
    metadata: { name: 'node-1', uid: '1', resourceVersion: '7' },
    place: { region: 'eu-west-1' },
    fit: { labels: { 'kubernetes.io/hostname': 'node-1', 'topology.kubernetes.io/region': 'eu-west-1' }, taints: [] },
  });
  expect(reduceNode(nodeOf(undefined)).place).toEqual({});
  const provided = (providerID: string) => reduceNode({ ...nodeOf('eu-west-1'), spec: { providerID } } as KubeObject);
  expect(provided('aws:///eu-west-1a/i-1').place).toEqual({ providerID: 'aws:///eu-west-1a/i-1', region: 'eu-west-1' });
  expect(provided('x'.repeat(2_049))).toMatchObject({
    place: { region: 'eu-west-1' },
    malformed: expect.stringContaining('spec.providerID'),
  });
  // Cordoned, and with more labels than are kept: every pod counts as one that fits there.
  const { fit } = reduceNode({ ...nodeOf('eu-west-1'), spec: { unschedulable: true } } as KubeObject);
  expect(fit?.taints).toEqual([{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }]);
  const labels = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`key-${n}`, 'x'.repeat(50)]));
  expect(reduceNode({ metadata: { name: 'large', labels } }).fit).toEqual({ labels: undefined, taints: [] });
});

it('ignores an update that does not change the reduced object', () => {
  const pod = reducePod(podOf());
  expect(isSamePod(pod, reducePod(podOf({ resourceVersion: '8' })))).toBe(true);
  for (const change of [{ phase: 'Succeeded' }, { nodeName: 'node-2' }]) expect(isSamePod(pod, reducePod(podOf(change)))).toBe(false);
  const node = reduceNode(nodeOf('eu-west-1'));
  expect(isSameNode(node, reduceNode(nodeOf('eu-west-1', '8')))).toBe(true);
  for (const region of ['us-east-1', undefined]) expect(isSameNode(node, reduceNode(nodeOf(region)))).toBe(false);
});

const entry = (manager: string, ...keys: string[]) => ({
  manager,
  fieldsV1: { 'f:metadata': { 'f:labels': { '.': {}, ...Object.fromEntries(keys.map((key) => [`f:${key}`, {}])) } } },
});

it('finds labels of this system that an apply cannot remove', () => {
  const own = entry('fso-agent-namespaces', 'compliance.gov/floor-deny', 'compliance.gov/floor-warn');
  expect(labelsHeldByOthers(undefined)).toBeUndefined();
  expect(labelsHeldByOthers([own, entry('kubectl', 'team'), { manager: 'kubelet' }])).toBeUndefined();
  expect(labelsHeldByOthers([own, entry('before-first-apply', 'team', 'compliance.gov/floor-deny')])).toEqual([
    'compliance.gov/floor-deny',
  ]);
});

it('reduces a webhook configuration to the requests for which a webhook is called', () => {
  const metadata = { name: 'gatekeeper', uid: '1', resourceVersion: '7' };
  const scope = { rules: [{ resources: ['pods'] }], objectSelector: {}, namespaceSelector: { matchLabels: { a: 'b' } } };
  const whole = { name: 'validation.gatekeeper.sh', failurePolicy: 'Ignore', clientConfig: { caBundle: 'x'.repeat(10_000) }, ...scope };
  const configuration = { metadata: { ...metadata, managedFields: [] }, webhooks: [whole, null] };
  expect(reduceWebhookConfiguration(configuration)).toEqual({ metadata, webhooks: [{ name: whole.name, ...scope }, null] });
  for (const webhooks of [undefined, null, 'none', {}]) expect(reduceWebhookConfiguration({ metadata, webhooks }).webhooks).toBe(webhooks);
});

const specWriter = { manager: 'fso-agent-intake', time: '2026-01-01T00:00:00Z', fieldsV1: { 'f:spec': { 'f:allowedRegions': {} } } };
const statusWriter = { manager: 'fso-agent-status', subresource: 'status', fieldsV1: { 'f:status': { 'f:phase': {} } } };
const labelWriter = { manager: 'kubectl', fieldsV1: { 'f:metadata': { 'f:labels': {} } } };

it('keeps the managed fields of writers of the spec', () => {
  const metadata = { name: 'geo-deny-1', uid: '1', generation: 2, labels: { 'compliance.gov/component': 'constraint' } };
  const managedFields = [statusWriter, specWriter, labelWriter];
  const status = { auditTimestamp: '2026-01-01T00:00:00Z', totalViolations: 1, violations: [{ kind: 'Pod', name: 'x', message: 'y' }] };
  const byPod = [{ id: 'a', enforced: true, observedGeneration: 2, constraintUID: '1', operations: ['webhook'], junk: 'x' }];
  const constraint = { metadata: { ...metadata, managedFields, annotations: { a: 'b' } }, status: { ...status, byPod } };
  expect(reduceConstraint(constraint)).toEqual({
    metadata: { ...metadata, managedFields: [specWriter] },
    status: {
      auditTimestamp: status.auditTimestamp,
      totalViolations: 1,
      byPod: [{ enforced: true, observedGeneration: 2, constraintUID: '1', operations: ['webhook'] }],
    },
  });
});

describe('a constraint', () => {
  const labels = { 'compliance.gov/component': 'constraint' };

  it('is reduced to its name where it belongs to others', () => {
    const theirs = { metadata: { name: 'theirs', uid: '1', resourceVersion: '7', labels: { a: 'b' } }, spec: {}, status: { byPod: [] } };
    expect(reduceConstraint(theirs)).toEqual({ metadata: { name: 'theirs', uid: '1', resourceVersion: '7' } });
  });

  it.each([
    ['geo-deny-0123456789', {}],
    ['geo-canary', {}],
    ['renamed', { labels }],
  ])('is kept with its spec where it belongs to this system: %s', (name, more) => {
    const spec = { parameters: { regions: ['eu-west-1'] } };
    expect(reduceConstraint({ metadata: { name, ...more }, spec }).spec).toEqual(spec);
  });

  it('is not enforced where more pods report than are kept', () => {
    const pod = { enforced: true, observedGeneration: 2, constraintUID: '1', operations: ['audit', 'webhook'] };
    const withPods = (count: number) =>
      reduceConstraint({
        metadata: { name: 'geo-canary', uid: '1', generation: 2, labels },
        status: { byPod: Array.from({ length: count }, () => pod) },
      });
    expect(isConstraintEnforced(withPods(100))).toBe(true);
    expect(isConstraintEnforced(withPods(101))).toBe(false);
    expect(findConstraintProblem('geo-canary', withPods(101)).message).toContain('status.byPod has more than 100 entries');
  });
});

it('keeps of foreign FloorParameters only that they exist', () => {
  const spec = { nodes: { n: 'eu-west-1' } };
  expect(reduceParameters({ metadata: { name: 'fso-nodes' }, spec })).toEqual({ metadata: { name: 'fso-nodes' }, spec });
  expect(reduceParameters({ metadata: { name: 'mine', labels: { a: 'b' } }, spec })).toEqual({ metadata: { name: 'mine' }, spec: {} });
});

const SPEC = { targetNamespace: 'finance', allowedRegions: ['eu-west-1'], enforcementAction: 'deny' } as const;
const policyIn = (namespace: string, metadata: object = {}) =>
  ({
    metadata: { name: 'p', namespace, uid: '1', labels: { team: 'a' }, managedFields: [specWriter, statusWriter], ...metadata },
    spec: { ...SPEC, description: 'why', placement: { clusterNames: ['eu'] } },
    status: { phase: 'Active' },
  }) as unknown as SovereignPolicy;

it('keeps a policy whole in the namespace of the agent, and elsewhere the fields that are read', () => {
  const own = policyIn(SYSTEM_NAMESPACE);
  expect(reducePolicy(own)).toEqual({ ...own, metadata: { ...own.metadata, managedFields: [specWriter] } });
  expect(reducePolicy(policyIn('finance'))).toEqual({
    metadata: { name: 'p', namespace: 'finance', uid: '1' },
    spec: SPEC,
    status: { phase: 'Active' },
  });
});

it('keeps the fields of a policy in deletion that its release needs', () => {
  const deletionTimestamp = '2026-01-01T00:00:00Z';
  expect(reducePolicy(policyIn('finance', { deletionTimestamp, finalizers: ['a/b', FINALIZER] }))).toEqual({
    metadata: { name: 'p', namespace: 'finance', uid: '1', deletionTimestamp, finalizers: ['a/b', FINALIZER] },
    spec: { ...SPEC, allowedRegions: [] },
  });
});

it('keeps the finalizer of this system among any number of others', () => {
  const finalizers = [...Array.from({ length: 1_000 }, (_, index) => `example.com/f${index}`), FINALIZER];
  const kept = reducePolicy(policyIn('finance', { finalizers })).metadata.finalizers;
  expect(kept).toEqual([FINALIZER, ...finalizers.slice(0, 31)]);
});
