import type { KubeObject } from '@fso/shared/api';
import { DEPLOYMENT_KIND, type Deployment, NODE_KIND } from '@fso/shared/kube';
import { decideResidency, MAX_TERMS } from '@fso/shared/residency';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { never as signal } from '../harness/waiting.ts';
import { affinity, byNodeName, CASES, type DecisionCase, daemonSetOwner } from './decision-cases.ts';
import {
  answerOf,
  expectedText,
  FREE,
  LOCK_ONE,
  LOCK_TWO,
  POLICY_ONE,
  POLICY_TWO,
  POLICY_WARN,
  podOf,
  regions,
  useDecisions,
  WARNED,
} from './decision-harness.ts';
import { anyPlacement } from './placements.ts';

const bench = useDecisions();

const expectSame = async (pod: DecisionCase['pod']): Promise<boolean> => {
  const decision = decideResidency(pod, regions);
  const one = await bench.create(podOf(LOCK_ONE, pod));
  const two = await bench.create(podOf(LOCK_TWO, pod));
  expect({ one: one.admitted, two: two.admitted }, JSON.stringify(pod)).toEqual({ one: decision.admitted, two: decision.admitted });
  if (!decision.admitted) {
    expect(one.text).toContain(`ValidatingAdmissionPolicy 'fso-floor-pods-deny'`);
    expect(one.text).toContain(expectedText(POLICY_ONE, decision));
    expect(two.text).toContain('admission webhook "validation.gatekeeper.sh"');
    expect(two.text).toContain(expectedText(POLICY_TWO, decision));
  }
  return decision.admitted;
};

describe('one decision, three implementations', () => {
  it.each(CASES)('$name', async ({ pod, admitted }) => {
    expect(await expectSame(pod)).toBe(admitted);
  });

  it('gives the same text for generated pods', async () => {
    for (const pod of fc.sample(anyPlacement, { seed: 3, numRuns: 400 })) await expectSame(pod);
  });
});

describe('cost', () => {
  const terms = (count: number, last: string) =>
    Array.from({ length: count }, (_, index) => ({
      matchExpressions: [
        { key: 'disk', operator: 'NotIn', values: Array.from({ length: 20 }, (__, value) => `disk-${index}-${value}`) },
        { key: 'topology.kubernetes.io/region', operator: 'In', values: ['eu-west-1', index === count - 1 ? last : 'eu-central-1'] },
      ],
    }));

  it('decides on an affinity with the maximum number of terms', async () => {
    expect(await expectSame(affinity(...terms(MAX_TERMS, 'eu-central-1')))).toBe(true);
    expect(await expectSame(affinity(...terms(MAX_TERMS, 'us-east-1')))).toBe(false);
  });
});

describe('exceptions by user', () => {
  const daemonPod = { ...affinity(byNodeName), ownerReferences: daemonSetOwner };

  it('admits a pod of the DaemonSet controller, and no copy of it', async () => {
    // The second: all controllers, if kube-controller-manager runs without
    // --use-service-account-credentials.
    const users = ['system:serviceaccount:kube-system:daemon-set-controller', 'system:kube-controller-manager'];
    for (const user of users) {
      const controller = bench.connect(await bench.userConfig(user, ['system:masters']));
      for (const namespace of [LOCK_ONE, LOCK_TWO]) {
        expect(await bench.create(podOf(namespace, daemonPod), controller)).toMatchObject({ admitted: true });
        expect(await bench.create(podOf(namespace, daemonPod))).toMatchObject({ admitted: false });
        expect(await bench.create(podOf(namespace, affinity(byNodeName)), controller)).toMatchObject({ admitted: false });
      }
    }
  });

  it('refuses an update to the shape of a DaemonSet pod, and releases a pod that was placed before', async () => {
    const update = (namespace: string, name: string, spec: DecisionCase['pod']) => {
      const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
      const body = { metadata: { ownerReferences: daemonSetOwner }, spec: { ...spec, schedulingGates: null } };
      return answerOf(
        bench.client.raw({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json', query: { dryRun: 'All' } }, signal),
      );
    };
    for (const [namespace, lock] of [
      [LOCK_ONE, "ValidatingAdmissionPolicy 'fso-floor-pods-deny'"],
      [LOCK_TWO, 'admission webhook "validation.gatekeeper.sh"'],
    ] as const) {
      const moved = await update(namespace, 'gated', affinity(byNodeName));
      expect(moved).toMatchObject({ admitted: false });
      expect(moved.text).toContain(lock);
      expect(moved.text).toContain('selects a node by name, not by region');
      expect(await update(namespace, 'gated-by-name', {})).toMatchObject({ admitted: true });
    }
  });

  it("admits a kubelet's mirror pod of its own node, and no copy of it", async () => {
    const node = await bench.client.get(NODE_KIND, { name: 'us-east-1-a' }, signal);
    const kubelet = bench.connect(await bench.userConfig('system:node:us-east-1-a', ['system:nodes']));
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name: 'us-east-1-a', uid: node?.metadata.uid ?? '', controller: true }];
    const annotations = { 'kubernetes.io/config.mirror': 'x', 'kubernetes.io/config.source': 'file' };
    for (const namespace of [LOCK_ONE, LOCK_TWO]) {
      const mirror = podOf(namespace, { nodeName: 'us-east-1-a', ownerReferences }, { annotations });
      expect(await bench.create(mirror)).toMatchObject({ admitted: false });
      expect(await bench.create(mirror, kubelet)).toMatchObject({ admitted: true });
    }
  });
});

describe('other actions and namespaces', () => {
  it('warns and admits', async () => {
    const decision = decideResidency({}, regions);
    const answer = await bench.create(podOf(WARNED, {}));
    expect(answer).toMatchObject({ admitted: true });
    if (!decision.admitted) expect(answer.text).toContain(expectedText(POLICY_WARN, decision));
  });

  it('leaves other namespaces alone', async () => {
    expect(await bench.create(podOf(FREE, { nodeName: 'us-east-1-a' }))).toEqual({ admitted: true, text: '' });
  });
});

const TEMPLATE = { metadata: { labels: { app: 'x' } }, spec: { containers: [{ name: 'main', image: 'example.com/none' }] } };
const SELECTOR = { matchLabels: { app: 'x' } };
const JOB_TEMPLATE = { ...TEMPLATE, spec: { ...TEMPLATE.spec, restartPolicy: 'Never' } };
const WORKLOADS = [
  ['apps/v1', 'Deployment', 'deployments', { selector: SELECTOR, template: TEMPLATE }],
  ['apps/v1', 'ReplicaSet', 'replicasets', { selector: SELECTOR, template: TEMPLATE }],
  ['apps/v1', 'StatefulSet', 'statefulsets', { selector: SELECTOR, template: TEMPLATE, serviceName: 'x' }],
  ['apps/v1', 'DaemonSet', 'daemonsets', { selector: SELECTOR, template: TEMPLATE }],
  ['v1', 'ReplicationController', 'replicationcontrollers', { selector: { app: 'x' }, template: TEMPLATE }],
  ['batch/v1', 'Job', 'jobs', { template: JOB_TEMPLATE }],
  ['batch/v1', 'CronJob', 'cronjobs', { schedule: '* * * * *', jobTemplate: { spec: { template: JOB_TEMPLATE } } }],
] as const;

describe('workload templates', () => {
  it.each(WORKLOADS)('%s %s is admitted with a warning', async (apiVersion, kind, plural, spec) => {
    const descriptor = { apiVersion, kind, plural, namespaced: true };
    for (const namespace of [LOCK_ONE, WARNED]) {
      const body = { metadata: { name: 'load', namespace }, spec } as KubeObject;
      const { warnings } = await bench.client.create(descriptor, body, { dryRun: true }, signal);
      expect(warnings.join()).toContain('nothing in the pod confines it to a region');
    }
    const body = { metadata: { name: 'load', namespace: FREE }, spec } as KubeObject;
    expect((await bench.client.create(descriptor, body, { dryRun: true }, signal)).warnings).toEqual([]);
  });
});

describe('updates of workloads', () => {
  it('warns again only if the pod template changed', async () => {
    const spec = { replicas: 0, selector: SELECTOR, template: TEMPLATE };
    const body = { metadata: { name: 'updated', namespace: WARNED }, spec } as Deployment;
    expect((await bench.client.create(DEPLOYMENT_KIND, body, {}, signal)).warnings).toHaveLength(1);
    const patch = async (change: unknown) => {
      const { warnings } = await bench.client.mergePatch(DEPLOYMENT_KIND, { namespace: WARNED, name: 'updated' }, { spec: change }, signal);
      return warnings;
    };
    expect(await patch({ minReadySeconds: 1 })).toEqual([]);
    expect(await patch({ template: { spec: { priorityClassName: 'system-node-critical' } } })).toHaveLength(1);
    expect(await patch({ template: { spec: { nodeSelector: { 'topology.kubernetes.io/region': 'eu-west-1' } } } })).toEqual([]);
  });
});
