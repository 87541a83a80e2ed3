import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import type { ENFORCEMENT_POINTS, KubeObject } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  CONSTRAINT_TEMPLATE_KIND,
  CRD_KIND,
  DEPLOYMENT_KIND,
  type Deployment,
  FLOOR_PARAMETERS_KIND,
  GEO_RESIDENCY_KIND,
  KubeApiError,
  type KubeClient,
  NAMESPACE_KIND,
  type Namespace,
  NODE_KIND,
  POD_KIND,
  type Pod,
} from '@fso/shared/kube';
import { decideResidency, MAX_TERMS, violationMessage } from '@fso/shared/residency';
import { systemClock } from '@fso/shared/runtime';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runAction } from '../../agent/apply/apply-action.ts';
import { bootstrapCluster, whoAmI } from '../../agent/bootstrap.ts';
import {
  type Action,
  isConstraintEnforced,
  isTemplateReady,
  type PolicyInput,
  planFloor,
  planFloorParameters,
  planGatekeeper,
  planGovernance,
  planNamespaces,
} from '../../agent/enforce/index.ts';
import { policyOf } from '../../agent/enforce/testing/policies.ts';
import { openKubeClient } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { eventually } from '../harness/waiting.ts';
import { ALLOWED, affinity, byNodeName, CASES, type DecisionCase, daemonSetOwner } from './decision-cases.ts';
import { CONSTRAINT_TAMPERING, FLOOR_TAMPERING } from './decision-tampering.ts';
import { anyPlacement } from './placements.ts';

/** Namespaces that only lock 1, only lock 2, or no lock governs. */
const LOCK_ONE = 'lock-one';
const LOCK_TWO = 'lock-two';
const WARNED = 'warned';
const FREE = 'free';

const { signal } = new AbortController();
const stateDir = mkdtempSync(join(tmpdir(), 'fso-decision-'));
let cluster: LocalCluster | undefined;
let client: KubeClient;
const clients: KubeClient[] = [];

const connect = (kubeconfig: string): KubeClient => {
  const made = openKubeClient({ kubeconfig });
  clients.push(made);
  return made;
};

const userConfig = async (user: string, groups: string[]): Promise<string> =>
  (await cluster?.createUserKubeconfig(user, groups)) ?? expect.fail('no cluster');

/** The scheduler, and the user of the tests. */
let binders: readonly string[] = [];
const regions = [...ALLOWED];
const POLICY_ONE = policyOf('one', { targetNamespace: LOCK_ONE, allowedRegions: regions });
const POLICY_TWO = policyOf('two', { targetNamespace: LOCK_TWO, allowedRegions: regions });
const POLICY_WARN = policyOf('warn', { targetNamespace: WARNED, allowedRegions: regions, enforcementAction: 'warn' });

const runAll = async (actions: readonly Action[]): Promise<void> => {
  for (const action of actions) await runAction(client, action, signal);
};

const namespaceInput = ({ metadata }: Namespace) => ({
  name: metadata.name,
  terminating: false,
  labels: metadata.labels ?? {},
  annotations: metadata.annotations ?? {},
});

/** Writes the labels and annotations of lock 1, and its parameters. */
const govern = async (policies: readonly PolicyInput[]): Promise<void> => {
  const namespaces = (await client.list(NAMESPACE_KIND, {}, signal)).map(namespaceInput);
  const now = new Date();
  const governance = planGovernance(policies, namespaces, now);
  const nodes = await client.list(NODE_KIND, {}, signal);
  const observed = await client.list(FLOOR_PARAMETERS_KIND, {}, signal);
  await runAll(planFloorParameters({ governance, nodes, observed, bindGate: 'label' }).actions);
  await runAll(planNamespaces(governance, namespaces, now));
};

const constraintsServed = async () =>
  (await client.get(CRD_KIND, { name: 'k8sgeoresidency.constraints.gatekeeper.sh' }, signal))?.status?.conditions?.some(
    (condition) => condition.type === 'Established' && condition.status === 'True',
  ) === true;

/** Refusals by policies. */
const ownConstraints = async () =>
  (await client.list(GEO_RESIDENCY_KIND, {}, signal)).filter(({ metadata }) => metadata.name !== 'geo-canary');

const gatekeeperRound = async (policies: readonly PolicyInput[]): Promise<Action[]> => {
  const template = await client.get(CONSTRAINT_TEMPLATE_KIND, { name: GEO_RESIDENCY_KIND.plural }, signal);
  const constraints = (await constraintsServed()) ? await client.list(GEO_RESIDENCY_KIND, {}, signal) : undefined;
  const governance = planGovernance(policies, [], new Date());
  return planGatekeeper({ governance, template, constraints, gatekeeperServed: true });
};

const installGatekeeperLock = async (policies: readonly PolicyInput[]): Promise<void> => {
  await eventually(async () => {
    const actions = await gatekeeperRound(policies);
    await runAll(actions);
    const template = await client.get(CONSTRAINT_TEMPLATE_KIND, { name: GEO_RESIDENCY_KIND.plural }, signal);
    if (actions.length > 0 || template === undefined || !isTemplateReady(template) || !(await constraintsServed())) return false;
    const constraints = await client.list(GEO_RESIDENCY_KIND, {}, signal);
    return constraints.length > 0 && constraints.every(isConstraintEnforced);
  });
};

const podOf = (namespace: string, pod: DecisionCase['pod'], metadata: Partial<Pod['metadata']> = {}): Pod => {
  const { ownerReferences, ...spec } = pod;
  return {
    metadata: { name: 'probe', namespace, ...metadata, ...(ownerReferences === undefined ? {} : { ownerReferences }) },
    spec: { containers: [{ name: 'main', image: 'example.com/none' }], ...spec },
  };
};

interface Answer {
  readonly admitted: boolean;
  readonly text: string;
}

const answerOf = async (write: Promise<{ warnings: readonly string[] }>): Promise<Answer> => {
  try {
    return { admitted: true, text: (await write).warnings.join('\n') };
  } catch (error) {
    if (!(error instanceof KubeApiError) || error.status !== 403) throw error;
    return { admitted: false, text: error.message };
  }
};

const create = (pod: Pod, as: KubeClient = client): Promise<Answer> => answerOf(as.create(POD_KIND, pod, { dryRun: true }, signal));

const expectedText = (from: PolicyInput, decision: { violation: string; fix: string }): string =>
  violationMessage({ policies: [from.key], regions, namespace: from.spec.targetNamespace, ...decision });

/** Pods from before the policies: a gated pod may still get a placement, also one that names a node. */
const createGatedPods = async (): Promise<void> => {
  for (const namespace of [LOCK_ONE, LOCK_TWO]) {
    await eventually(async () => (await create(podOf(namespace, {}))).admitted);
    for (const [name, pod] of [
      ['gated', {}],
      ['gated-by-name', affinity(byNodeName)],
    ] as const) {
      const { metadata, spec } = podOf(namespace, pod, { name });
      await client.create(POD_KIND, { metadata, spec: { ...spec, schedulingGates: [{ name: 'example.com/gate' }] } }, {}, signal);
    }
  }
};

beforeAll(async () => {
  cluster = await startTestCluster(
    { name: 'decision', stateDir, regions: ['eu-west-1', 'us-east-1'], gatekeeper: true, gatekeeperAuditSeconds: 2 },
    signal,
  );
  client = connect(cluster.kubeconfig);
  for (const name of [LOCK_ONE, LOCK_TWO, WARNED, FREE]) await client.create(NAMESPACE_KIND, { metadata: { name } }, {}, signal);
  await createGatedPods();
  await bootstrapCluster(client, systemClock, signal);
  binders = ['system:kube-scheduler', await whoAmI(client, signal)];
  await runAll(planFloor([], [], { binders }));
  await govern([POLICY_ONE, POLICY_WARN]);
  await installGatekeeperLock([POLICY_TWO]);
  await eventually(async () => !(await create(podOf(LOCK_ONE, {}))).admitted);
  await eventually(async () => (await create(podOf(WARNED, {}))).text !== '');
  await eventually(async () => (await create(podOf(FREE, {}))).admitted);
});

afterAll(async () => {
  await Promise.all(clients.map((each) => each.close()));
  await cluster?.stop();
  rmSync(stateDir, { recursive: true, force: true });
});

const expectSame = async (pod: DecisionCase['pod']): Promise<boolean> => {
  const decision = decideResidency(pod, regions);
  const one = await create(podOf(LOCK_ONE, pod));
  const two = await create(podOf(LOCK_TWO, pod));
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
    // The second: all controllers, if kube-controller-manager runs without --use-service-account-credentials.
    const users = ['system:serviceaccount:kube-system:daemon-set-controller', 'system:kube-controller-manager'];
    for (const user of users) {
      const controller = connect(await userConfig(user, ['system:masters']));
      for (const namespace of [LOCK_ONE, LOCK_TWO]) {
        expect(await create(podOf(namespace, daemonPod), controller)).toMatchObject({ admitted: true });
        expect(await create(podOf(namespace, daemonPod))).toMatchObject({ admitted: false });
        expect(await create(podOf(namespace, affinity(byNodeName)), controller)).toMatchObject({ admitted: false });
      }
    }
  });

  it('refuses an update to the shape of a DaemonSet pod, and releases a pod that was placed before', async () => {
    const update = (namespace: string, name: string, spec: DecisionCase['pod']) => {
      const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
      const body = { metadata: { ownerReferences: daemonSetOwner }, spec: { ...spec, schedulingGates: null } };
      return answerOf(
        client.raw({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json', query: { dryRun: 'All' } }, signal),
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
    const node = await client.get(NODE_KIND, { name: 'us-east-1-a' }, signal);
    const kubelet = connect(await userConfig('system:node:us-east-1-a', ['system:nodes']));
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name: 'us-east-1-a', uid: node?.metadata.uid ?? '', controller: true }];
    const annotations = { 'kubernetes.io/config.mirror': 'x', 'kubernetes.io/config.source': 'file' };
    for (const namespace of [LOCK_ONE, LOCK_TWO]) {
      const mirror = podOf(namespace, { nodeName: 'us-east-1-a', ownerReferences }, { annotations });
      expect(await create(mirror)).toMatchObject({ admitted: false });
      expect(await create(mirror, kubelet)).toMatchObject({ admitted: true });
    }
  });
});

describe('other actions and namespaces', () => {
  it('warns and admits', async () => {
    const decision = decideResidency({}, regions);
    const answer = await create(podOf(WARNED, {}));
    expect(answer).toMatchObject({ admitted: true });
    if (!decision.admitted) expect(answer.text).toContain(expectedText(POLICY_WARN, decision));
  });

  it('leaves other namespaces alone', async () => {
    expect(await create(podOf(FREE, { nodeName: 'us-east-1-a' }))).toEqual({ admitted: true, text: '' });
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
      const { warnings } = await client.create(descriptor, body, { dryRun: true }, signal);
      expect(warnings.join()).toContain('nothing in the pod confines it to a region');
    }
    const body = { metadata: { name: 'load', namespace: FREE }, spec } as KubeObject;
    expect((await client.create(descriptor, body, { dryRun: true }, signal)).warnings).toEqual([]);
  });
});

describe('updates of workloads', () => {
  it('warns again only if the pod template changed', async () => {
    const spec = { replicas: 0, selector: SELECTOR, template: TEMPLATE };
    const body = { metadata: { name: 'updated', namespace: WARNED }, spec } as Deployment;
    expect((await client.create(DEPLOYMENT_KIND, body, {}, signal)).warnings).toHaveLength(1);
    const patch = async (change: unknown) => {
      const { warnings } = await client.mergePatch(DEPLOYMENT_KIND, { namespace: WARNED, name: 'updated' }, { spec: change }, signal);
      return warnings;
    };
    expect(await patch({ minReadySeconds: 1 })).toEqual([]);
    expect(await patch({ template: { spec: { priorityClassName: 'system-node-critical' } } })).toHaveLength(1);
    expect(await patch({ template: { spec: { nodeSelector: { 'topology.kubernetes.io/region': 'eu-west-1' } } } })).toEqual([]);
  });
});

describe('pods from before the policy', () => {
  const LATER = 'later';
  const laterPolicy = policyOf('later', { targetNamespace: LATER, allowedRegions: regions });
  const binding = (target: { kind: string; name: string }) => ({
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name: 'waiting', namespace: LATER },
    target: { apiVersion: 'v1', ...target },
  });
  const bind = (target: { kind: string; name: string }, path = `/api/v1/namespaces/${LATER}/pods/waiting/binding`) =>
    answerOf(client.raw({ method: 'POST', path, body: binding(target), query: { dryRun: 'All' } }, signal));

  beforeAll(async () => {
    await client.create(NAMESPACE_KIND, { metadata: { name: LATER } }, {}, signal);
    await eventually(async () => (await create(podOf(LATER, {}))).admitted);
    const waiting = podOf(LATER, { nodeSelector: { stage: 'open' } }, { name: 'waiting', finalizers: ['example.com/hold'] });
    const gated = podOf(LATER, {}, { name: 'gated' });
    await client.create(POD_KIND, waiting, {}, signal);
    await client.create(POD_KIND, { ...gated, spec: { ...gated.spec, schedulingGates: [{ name: 'example.com/gate' }] } }, {}, signal);
    await govern([POLICY_ONE, POLICY_WARN, laterPolicy]);
    await eventually(async () => !(await create(podOf(LATER, {}))).admitted);
  });

  it('may still be labelled', async () => {
    await client.mergePatch(POD_KIND, { namespace: LATER, name: 'waiting' }, { metadata: { labels: { seen: 'yes' } } }, signal);
  });

  it('may not leave its gate unconfined', async () => {
    const patch = { spec: { schedulingGates: null } };
    const answer = await answerOf(client.mergePatch(POD_KIND, { namespace: LATER, name: 'gated' }, patch, signal));
    expect(answer).toMatchObject({ admitted: false });
    const confined = { spec: { schedulingGates: null, nodeSelector: { 'topology.kubernetes.io/region': 'eu-west-1' } } };
    expect(await answerOf(client.mergePatch(POD_KIND, { namespace: LATER, name: 'gated' }, confined, signal))).toMatchObject({
      admitted: true,
    });
  });

  it('is not bound outside by any user', async () => {
    const outside = await bind({ kind: 'Node', name: 'us-east-1-a' });
    expect(outside).toMatchObject({ admitted: false });
    expect(outside.text).toContain(
      'policy team/later allows regions eu-central-1, eu-west-1 in namespace later: node "us-east-1-a" is in region "us-east-1"',
    );
    expect(await bind({ kind: 'Node', name: 'nowhere' })).toMatchObject({ admitted: false });
    expect(await bind({ kind: '', name: 'eu-west-1-a' })).toMatchObject({ admitted: false });
    expect(await bind({ kind: 'Node', name: 'eu-west-1-a' }, `/api/v1/namespaces/${LATER}/bindings`)).toMatchObject({ admitted: false });
    expect(await bind({ kind: 'Node', name: 'eu-west-1-a' })).toMatchObject({ admitted: true });
  });

  it('is refused by the bind gate until the scheduler finds an allowed node', async () => {
    const pod = { namespace: LATER, name: 'waiting' };
    const stage = (name: string, value: string | null) =>
      client.mergePatch(NODE_KIND, { name }, { metadata: { labels: { stage: value } } }, signal);
    const nodeOf = async () => (await client.get(POD_KIND, pod, signal))?.spec.nodeName;
    await stage('us-east-1-a', 'open');
    await eventually(async () => {
      const path = `/api/v1/namespaces/${LATER}/events`;
      const { object } = await client.raw<{ items: { message: string }[] }>({ method: 'GET', path }, signal);
      return object.items.some(({ message }) => message.includes("'fso-floor-bindings-deny'"));
    });
    expect(await nodeOf()).toBeUndefined();
    await stage('us-east-1-a', null);
    await stage('eu-west-1-a', 'open');
    await eventually(async () => (await nodeOf()) === 'eu-west-1-a');
  });

  it('may be finished: finalizers come off', async () => {
    await client.mergePatch(POD_KIND, { namespace: LATER, name: 'waiting' }, { metadata: { finalizers: null } }, signal);
  });
});

describe("Gatekeeper's audit", () => {
  it('counts unconfined pods, and no pod because of the node that the scheduler chose', async () => {
    const confined = { nodeSelector: { 'topology.kubernetes.io/region': 'eu-west-1' } };
    const AUDITED = 'audited';
    await client.create(NAMESPACE_KIND, { metadata: { name: AUDITED } }, {}, signal);
    await eventually(async () => (await create(podOf(AUDITED, {}))).admitted);
    await client.create(POD_KIND, podOf(AUDITED, {}, { name: 'anywhere' }), {}, signal);
    await client.create(POD_KIND, podOf(AUDITED, confined, { name: 'confined' }), {}, signal);
    await eventually(async () => {
      const pods = await client.list(POD_KIND, { namespace: AUDITED }, signal);
      return pods.every((pod) => pod.spec.nodeName !== undefined);
    });
    const audited = policyOf('audited', { targetNamespace: AUDITED, allowedRegions: regions, enforcementAction: 'dryrun' });
    await installGatekeeperLock([POLICY_TWO, audited]);
    const written = Date.now();
    let found: readonly { name: string; message: string }[] = [];
    await eventually(async () => {
      const constraints = await client.list(GEO_RESIDENCY_KIND, {}, signal);
      const status = constraints.find(({ spec }) => spec?.enforcementAction === 'dryrun')?.status;
      found = status?.violations ?? [];
      // In whole seconds: one of the same second may have been before.
      return Date.parse(status?.auditTimestamp ?? '') > written;
    });
    expect(found.map(({ name }) => name)).toEqual(['anywhere']);
    expect(found[0]?.message).toContain('policy team/audited allows regions');
    await eventually(async () => {
      await runAll(await gatekeeperRound([POLICY_TWO]));
      return (await ownConstraints()).length === 1;
    });
  });
});

describe('plans in a real cluster', () => {
  it('cause no type warnings for the CEL', async () => {
    for (const { metadata, status } of await client.list(ADMISSION_POLICY_KIND, {}, signal)) {
      if (!metadata.name.startsWith('fso-floor-')) continue;
      expect(status?.typeChecking?.expressionWarnings ?? [], metadata.name).toEqual([]);
    }
  });

  const floorRound = async () =>
    planFloor(await client.list(ADMISSION_POLICY_KIND, {}, signal), await client.list(ADMISSION_POLICY_BINDING_KIND, {}, signal), {
      binders,
    });

  it('have nothing left to do after their writes', async () => {
    expect(await floorRound()).toEqual([]);
    expect(await gatekeeperRound([POLICY_TWO])).toEqual([]);
  });

  it.each(FLOOR_TAMPERING)('restore a floor object in one round: %#', async (kind, spec) => {
    const { object } = await client.mergePatch(kind, { name: 'fso-floor-pods-deny' }, { spec }, signal);
    const actions = await floorRound();
    expect(actions).not.toEqual([]);
    await runAll(actions);
    expect(await floorRound()).toEqual([]);
    // The object is not created again: a new binding is not in force at once.
    expect((await client.get(kind, { name: 'fso-floor-pods-deny' }, signal))?.metadata.uid).toBe(object.metadata.uid);
  });

  it.each(CONSTRAINT_TAMPERING)('restore a constraint in one round: %j', async (spec) => {
    const [constraint] = await ownConstraints();
    const ref = { name: constraint?.metadata.name ?? '' };
    await client.mergePatch(GEO_RESIDENCY_KIND, ref, { spec }, signal);
    const actions = await gatekeeperRound([POLICY_TWO]);
    expect(actions).not.toEqual([]);
    await runAll(actions);
    expect(await gatekeeperRound([POLICY_TWO])).toEqual([]);
    expect((await client.get(GEO_RESIDENCY_KIND, ref, signal))?.metadata.uid).toBe(constraint?.metadata.uid);
    await eventually(async () => !(await create(podOf(LOCK_TWO, {}))).admitted);
  });

  it('pass scoped actions on, and Gatekeeper enforces them', async () => {
    const scoped = (action: 'deny' | 'warn', ...points: (typeof ENFORCEMENT_POINTS)[number][]) => ({
      action,
      enforcementPoints: points.map((name) => ({ name })),
    });
    const custom = policyOf('custom', {
      targetNamespace: FREE,
      allowedRegions: regions,
      enforcementAction: 'custom',
      scopedEnforcementActions: [scoped('deny', 'validation.gatekeeper.sh'), scoped('warn', 'vap.k8s.io')],
    });
    await installGatekeeperLock([POLICY_TWO, custom]);
    expect((await create(podOf(FREE, {}))).text).toContain('policy team/custom allows regions');
    await installGatekeeperLock([POLICY_TWO]);
  });
});
