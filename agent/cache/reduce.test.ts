import type { KubeObject } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { isSameNode, isSamePod, labelsHeldByOthers, type Pod, reduceNode, reducePod, reduceWebhookConfiguration } from './reduce.ts';

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

it('reduces a pod to its placement and owner, and a node to its region', () => {
  expect(reducePod(podOf())).toEqual({
    metadata: { name: 'pod', namespace: 'finance', uid: '1', resourceVersion: '7', ownerReferences: [{ ...owner, name: '', uid: '' }] },
    spec: {
      nodeName: 'node-1',
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: REQUIRED } },
    },
    status: { phase: 'Running' },
  });
  expect(reduceNode(nodeOf('eu-west-1'))).toEqual({
    metadata: { name: 'node-1', uid: '1', resourceVersion: '7', labels: { 'topology.kubernetes.io/region': 'eu-west-1' } },
  });
  expect(reduceNode(nodeOf(undefined))).toEqual({ metadata: { name: 'node-1', uid: '1', resourceVersion: '7' } });
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

it('reduces a webhook configuration to what says which requests a webhook is asked about', () => {
  const metadata = { name: 'gatekeeper', uid: '1', resourceVersion: '7' };
  const scope = { rules: [{ resources: ['pods'] }], objectSelector: {}, namespaceSelector: { matchLabels: { a: 'b' } } };
  const whole = { name: 'validation.gatekeeper.sh', failurePolicy: 'Ignore', clientConfig: { caBundle: 'x'.repeat(10_000) }, ...scope };
  const configuration = { metadata: { ...metadata, managedFields: [] }, webhooks: [whole, null] };
  expect(reduceWebhookConfiguration(configuration)).toEqual({ metadata, webhooks: [{ name: whole.name, ...scope }, null] });
  for (const webhooks of [undefined, null, 'none', {}]) expect(reduceWebhookConfiguration({ metadata, webhooks }).webhooks).toBe(webhooks);
});
