import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import {
  AGENT_LEASE,
  API_VERSION,
  type ClusterEvent,
  CONDITIONS,
  FINALIZER,
  floorLabel,
  type KubeObject,
  LABELS,
  LEGACY_REGION_LABEL,
  REGION_LABEL,
  type SovereignPolicy,
  SYSTEM_NAMESPACE,
} from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  CONFIG_MAP_KIND,
  CONSTRAINT_TEMPLATE_KIND,
  CRD_KIND,
  EVENT_KIND,
  FLOOR_PARAMETERS_KIND,
  GEO_RESIDENCY_KIND,
  type KindDescriptor,
  type KubeClient,
  LEASE_KIND,
  NAMESPACE_KIND,
  NODE_KIND,
  type Node,
  SECRET_KIND,
  SOVEREIGN_POLICY_KIND,
} from '@fso/shared/kube';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { celString } from '../../agent/enforce/admission-policies.ts';
import { writeAgentKubeconfig } from '../../clusters/demo/agent-identity.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { openKubeClient, refusalOf } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { eventually } from '../harness/waiting.ts';

const EU = ['eu-west-1'];
const POD_STATUS_KIND: KindDescriptor = {
  apiVersion: 'status.gatekeeper.sh/v1beta1',
  kind: 'ConstraintPodStatus',
  plural: 'constraintpodstatuses',
  namespaced: true,
};

/** The guard against an administrator with every right, while the agent has only those of deploy/agent/rbac.yaml. */
const API_SERVICE_KIND: KindDescriptor = {
  apiVersion: 'apiregistration.k8s.io/v1',
  kind: 'APIService',
  plural: 'apiservices',
  namespaced: false,
};

describe('guard', () => {
  const stop = new AbortController();
  const { signal } = stop;
  const clients: KubeClient[] = [];
  let folder: string;
  let cluster: LocalCluster;
  let world: AgentHarness;
  let admin: KubeClient;
  let gatekeeper: KubeClient;
  let agent: RunningAgent;
  const events: ClusterEvent[] = [];

  const as = async (user: string, groups: readonly string[] = []): Promise<KubeClient> => {
    const client = openKubeClient({ kubeconfig: await cluster.createUserKubeconfig(user, [...groups, 'system:masters']) });
    clients.push(client);
    return client;
  };
  const send = (client: KubeClient, method: 'PUT' | 'PATCH', path: string, body: unknown): Promise<unknown> =>
    client.raw({ method, path, body, ...(method === 'PATCH' ? { contentType: 'application/merge-patch+json' } : {}) }, signal);
  const patch = (kind: KindDescriptor, ref: { namespace?: string; name: string }, body: unknown): Promise<string> =>
    refusalOf(admin.mergePatch(kind, ref, body, signal));
  const labelled = (labels: Record<string, string | null>) => ({ metadata: { labels } });
  const policyOf = (namespace: string, name: string, labels: Record<string, string> = {}): SovereignPolicy =>
    ({
      apiVersion: API_VERSION,
      kind: 'SovereignPolicy',
      metadata: { namespace, name, labels },
      spec: { targetNamespace: `${name}-target`, allowedRegions: EU },
    }) as unknown as SovereignPolicy;

  const start = async (identity: string): Promise<void> => {
    const kubeconfig = join(folder, 'agent.kubeconfig');
    agent = await world.startAgent(identity, { kubeconfig, trustedNodeLabelers: ['cloud', 'group:node-team'] });
    agent.observatory.onEvent((event) => events.push(event));
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-guard-'));
    cluster = await startTestCluster({ name: 'guard', stateDir: folder, regions: ['eu-west-1', 'us-east-1'], gatekeeper: true }, signal);
    world = new AgentHarness(cluster.kubeconfig, signal);
    admin = world.client;
    gatekeeper = await as('system:serviceaccount:gatekeeper-system:gatekeeper-admin', ['system:serviceaccounts:gatekeeper-system']);
    await writeAgentKubeconfig(cluster.kubeconfig, join(folder, 'agent.kubeconfig'));
    await start('guarded');
    await world.makeNamespace('finance');
    await eventually(() => world.applyPolicy('finance-eu', { targetNamespace: 'finance', allowedRegions: EU }));
    await world.reaches('finance-eu', 'Active');
    await eventually(() => agent.observatory.snapshot().cluster.gatekeeper.state === 'Ready');
    const probe = { metadata: { name: 'guard-probe', labels: { [LABELS.policyName]: 'x' } } };
    await eventually(async () => (await refusalOf(admin.create(NAMESPACE_KIND, probe, { dryRun: true }, signal))).includes('fso-guard'));
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await world.close();
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  });

  describe('on namespaces', () => {
    const KEYS = 'only the agent writes compliance.gov/* labels and annotations';

    it('refuses to add, change or remove a key of this system, by every kind of write', async () => {
      for (const body of [
        labelled({ [floorLabel('deny')]: null }),
        labelled({ [floorLabel('deny')]: 'off' }),
        labelled({ 'compliance.gov/other': 'x' }),
        { metadata: { annotations: { [`${floorLabel('deny')}-regions`]: 'us-east-1' } } },
        { metadata: { annotations: { [LABELS.policyName]: null } } },
        { metadata: { labels: null } },
        { metadata: { annotations: null } },
      ]) {
        expect(await patch(NAMESPACE_KIND, { name: 'finance' }, body)).toContain(KEYS);
      }
      const live = await admin.get(NAMESPACE_KIND, { name: 'finance' }, signal);
      const without = { ...live, metadata: { ...live?.metadata, labels: { 'kubernetes.io/metadata.name': 'finance' } } };
      for (const path of ['', '/status', '/finalize']) {
        expect(await refusalOf(send(admin, 'PUT', `/api/v1/namespaces/finance${path}`, without)), path).toContain(KEYS);
      }
      expect(
        await refusalOf(send(admin, 'PATCH', '/api/v1/namespaces/finance/status', labelled({ [floorLabel('deny')]: null }))),
      ).toContain(KEYS);
      for (const metadata of [{ labels: { [LABELS.policyName]: 'x' } }, { annotations: { [LABELS.policyName]: 'x' } }]) {
        expect(await refusalOf(admin.create(NAMESPACE_KIND, { metadata: { name: 'forged', ...metadata } }, {}, signal))).toContain(KEYS);
      }
      expect((await world.namespace('finance'))?.metadata.labels?.[floorLabel('deny')]).toBe('active');
    });

    it('allows every other change of a governed namespace, to every user', async () => {
      expect(
        await patch(NAMESPACE_KIND, { name: 'finance' }, labelled({ team: 'money', 'pod-security.kubernetes.io/enforce': 'baseline' })),
      ).toBe('');
      const applied = { metadata: { name: 'finance', labels: { 'app.kubernetes.io/managed-by': 'Helm' }, annotations: { note: 'x' } } };
      await admin.apply(NAMESPACE_KIND, applied, { fieldManager: 'helm', force: true }, signal);
      const live = await admin.get(NAMESPACE_KIND, { name: 'finance' }, signal);
      await send(admin, 'PUT', '/api/v1/namespaces/finance', {
        ...live,
        metadata: { ...live?.metadata, labels: { ...live?.metadata.labels, team: 'gold' } },
      });
      expect((await world.namespace('finance'))?.metadata).toMatchObject({
        labels: { team: 'gold', 'app.kubernetes.io/managed-by': 'Helm', [floorLabel('deny')]: 'active' },
      });
    });

    it('allows to delete a governed namespace with its local policies, and to create it again', async () => {
      for (const name of ['leaving', 'leaving-target']) await world.makeNamespace(name);
      await admin.create(SOVEREIGN_POLICY_KIND, policyOf('leaving', 'leaving'), {}, signal);
      const policy = () => admin.get(SOVEREIGN_POLICY_KIND, { namespace: 'leaving', name: 'leaving' }, signal);
      await eventually(async () => (await policy())?.metadata.finalizers?.includes(FINALIZER));
      await eventually(async () => (await policy())?.status?.phase === 'Active');
      for (const name of ['leaving', 'leaving-target']) await admin.delete(NAMESPACE_KIND, { name }, signal);
      await eventually(async () => (await world.namespace('leaving')) === undefined);
      await eventually(async () => (await world.namespace('leaving-target')) === undefined);
      await world.makeNamespace('leaving-target');
    });

    it(`refuses to delete ${SYSTEM_NAMESPACE}`, async () => {
      expect(await refusalOf(admin.delete(NAMESPACE_KIND, { name: SYSTEM_NAMESPACE }, signal))).toContain('run "fso-agent uninstall"');
    });
  });

  describe('on policies', () => {
    const HUB = 'comes from Git, and only the agent writes it';
    const ref = { namespace: 'default', name: 'finance-eu' };

    it('refuses to add or remove the label of the hub, and every change of an object with it', async () => {
      const fromHub = policyOf(SYSTEM_NAMESPACE, 'forged', { [LABELS.managedBy]: 'hub' });
      expect(await refusalOf(admin.create(SOVEREIGN_POLICY_KIND, fromHub, {}, signal))).toContain(HUB);
      expect(await patch(SOVEREIGN_POLICY_KIND, ref, labelled({ [LABELS.managedBy]: 'hub' }))).toContain(HUB);
      const agentClient = openKubeClient({ kubeconfig: join(folder, 'agent.kubeconfig') });
      clients.push(agentClient);
      await agentClient.apply(SOVEREIGN_POLICY_KIND, fromHub, { fieldManager: 'test-hub' }, signal);
      const hubRef = { namespace: SYSTEM_NAMESPACE, name: 'forged' };
      for (const body of [
        labelled({ [LABELS.managedBy]: null }),
        { spec: { allowedRegions: ['us-east-1'] } },
        { metadata: { ownerReferences: [] } },
        labelled({ team: 'x' }),
      ]) {
        expect(await patch(SOVEREIGN_POLICY_KIND, hubRef, body)).toContain(HUB);
      }
      expect(await refusalOf(admin.delete(SOVEREIGN_POLICY_KIND, hubRef, signal))).toContain(HUB);
      await agentClient.delete(SOVEREIGN_POLICY_KIND, hubRef, signal);
      await eventually(async () => (await admin.get(SOVEREIGN_POLICY_KIND, hubRef, signal)) === undefined);
    });

    it('refuses a forged status, and the removal of the finalizer', async () => {
      const status = { status: { phase: 'Active', violations: 0 } };
      const path = `/apis/${API_VERSION}/namespaces/default/sovereignpolicies/finance-eu/status`;
      expect(await refusalOf(send(admin, 'PATCH', path, status))).toContain('only the agent writes the status of a SovereignPolicy');
      expect(await patch(SOVEREIGN_POLICY_KIND, ref, { metadata: { finalizers: null } })).toContain('finalizer compliance.gov/release');
      expect(await patch(SOVEREIGN_POLICY_KIND, ref, { metadata: { finalizers: [FINALIZER, 'example.com/mine'] } })).toBe('');
      expect(await patch(SOVEREIGN_POLICY_KIND, ref, { metadata: { finalizers: [FINALIZER] } })).toBe('');
    });

    it('allows to create, change, label and delete local policies', async () => {
      await admin.create(SOVEREIGN_POLICY_KIND, policyOf('default', 'mine'), {}, signal);
      const mine = { namespace: 'default', name: 'mine' };
      expect(await patch(SOVEREIGN_POLICY_KIND, mine, { ...labelled({ team: 'x' }), spec: { allowedRegions: ['us-east-1'] } })).toBe('');
      await world.removePolicies('mine');
    });
  });

  describe('on lock 2 and its evidence', () => {
    const LOCK = 'only the agent writes floor parameters, the template';
    const constraint = async (): Promise<KubeObject> =>
      (await admin.list(GEO_RESIDENCY_KIND, {}, signal))[0] ?? expect.fail('no constraint');
    const template = { name: GEO_RESIDENCY_KIND.plural };

    it('refuses writes of constraints and the template to all but the agent', async () => {
      const { name } = (await constraint()).metadata;
      expect(await patch(GEO_RESIDENCY_KIND, { name }, { spec: { enforcementAction: 'dryrun' } })).toContain(LOCK);
      expect(await refusalOf(admin.delete(GEO_RESIDENCY_KIND, { name }, signal))).toContain(LOCK);
      expect(
        await refusalOf(admin.raw({ method: 'DELETE', path: `/apis/${GEO_RESIDENCY_KIND.apiVersion}/k8sgeoresidency` }, signal)),
      ).toContain(LOCK);
      expect(await refusalOf(admin.create(GEO_RESIDENCY_KIND, { metadata: { name: 'mine' }, spec: {} }, {}, signal))).toContain(LOCK);
      expect(await patch(CONSTRAINT_TEMPLATE_KIND, template, { spec: { targets: [] } })).toContain(LOCK);
      expect(await refusalOf(admin.delete(CONSTRAINT_TEMPLATE_KIND, template, signal))).toContain(LOCK);
      expect(await refusalOf(gatekeeper.delete(CONSTRAINT_TEMPLATE_KIND, template, signal))).toContain(LOCK);
      expect(await refusalOf(gatekeeper.mergePatch(CONSTRAINT_TEMPLATE_KIND, template, labelled({ note: 'x' }), signal))).toBe('');
    });

    it('allows writes of other templates', async () => {
      const mine = (await admin.get(CONSTRAINT_TEMPLATE_KIND, template, signal)) ?? expect.fail();
      const text = JSON.stringify({ apiVersion: mine.apiVersion, kind: mine.kind, metadata: { name: 'k8sother' }, spec: mine.spec });
      const other = JSON.parse(text.replaceAll('K8sGeoResidency', 'K8sOther'));
      await admin.create(CONSTRAINT_TEMPLATE_KIND, other, {}, signal);
      await admin.delete(CONSTRAINT_TEMPLATE_KIND, { name: 'k8sother' }, signal);
    });

    it('refuses forged reports of Gatekeeper, and allows its own', async () => {
      const { name } = (await constraint()).metadata;
      const EVIDENCE = 'only service accounts of gatekeeper-system';
      const forged = { status: { byPod: [], totalViolations: 0 } };
      const paths = [
        `/apis/${GEO_RESIDENCY_KIND.apiVersion}/k8sgeoresidency/${name}/status`,
        `/apis/${CONSTRAINT_TEMPLATE_KIND.apiVersion}/constrainttemplates/k8sgeoresidency/status`,
      ];
      for (const path of paths) expect(await refusalOf(send(admin, 'PATCH', path, forged))).toContain(EVIDENCE);
      const [said] = await admin.list(POD_STATUS_KIND, {}, signal);
      const ref = { namespace: 'gatekeeper-system', name: said?.metadata.name ?? '' };
      expect(await patch(POD_STATUS_KIND, ref, { status: { enforced: true } })).toContain(EVIDENCE);
      expect(await refusalOf(admin.delete(POD_STATUS_KIND, ref, signal))).toContain(EVIDENCE);
      expect(await refusalOf(gatekeeper.mergePatch(POD_STATUS_KIND, ref, labelled({ note: 'x' }), signal))).toBe('');
      const cleaner = await as('system:serviceaccount:kube-system:generic-garbage-collector');
      expect(await refusalOf(cleaner.delete(POD_STATUS_KIND, ref, signal))).toBe('');
      const labels = { 'internal.gatekeeper.sh/constraint-kind': 'K8sOther' };
      const other = { name: 'foreign', namespace: ref.namespace };
      await admin.create(POD_STATUS_KIND, { metadata: { ...other, labels } }, {}, signal);
      expect(await patch(POD_STATUS_KIND, other, labelled({ note: 'x' }))).toBe('');
      for (const ours of [
        { 'internal.gatekeeper.sh/constraint-kind': GEO_RESIDENCY_KIND.kind },
        { 'internal.gatekeeper.sh/constrainttemplate-name': template.name },
      ]) {
        expect(await patch(POD_STATUS_KIND, other, labelled(ours))).toContain(EVIDENCE);
      }
      expect(await refusalOf(admin.delete(POD_STATUS_KIND, other, signal))).toBe('');
      await cluster.restartGatekeeper();
      await eventually(() => admin.get(POD_STATUS_KIND, ref, signal));
    });

    it('refuses to redirect an API group that the policies rely on, and to take it from the API server', async () => {
      const KEPT = 'only the API server writes';
      const away = { service: { name: 'x', namespace: 'default', port: 443 }, insecureSkipTLSVerify: true };
      const unmanaged = labelled({ 'kube-aggregator.kubernetes.io/automanaged': null });
      for (const name of [
        'v1.compliance.federated.io',
        'v1beta1.constraints.gatekeeper.sh',
        'v1.templates.gatekeeper.sh',
        'v1.admissionregistration.k8s.io',
        'v1.apiextensions.k8s.io',
      ]) {
        expect(await patch(API_SERVICE_KIND, { name }, { spec: away }), name).toContain(KEPT);
        expect(await patch(API_SERVICE_KIND, { name }, unmanaged)).toContain(KEPT);
        expect(await refusalOf(admin.delete(API_SERVICE_KIND, { name }, signal))).toContain(KEPT);
        expect(await patch(API_SERVICE_KIND, { name }, labelled({ team: 'x' }))).toBe('');
      }
      const other = (name: string) => ({
        metadata: { name: `v9.${name}` },
        spec: { ...away, group: name, version: 'v9', groupPriorityMinimum: 1, versionPriority: 1 },
      });
      const create = (name: string) => refusalOf(admin.create(API_SERVICE_KIND, other(name) as KubeObject, { dryRun: true }, signal));
      expect(await create('compliance.federated.io')).toContain(KEPT);
      expect(await create('foreign.example')).toBe('');
    });

    it('refuses to change or delete the CRDs that this system relies on', async () => {
      const OURS = 'only the agent creates, changes and deletes';
      for (const name of ['sovereignpolicies.compliance.federated.io', 'k8sgeoresidency.constraints.gatekeeper.sh']) {
        expect(await refusalOf(admin.delete(CRD_KIND, { name }, signal)), name).toContain(OURS);
        expect(await patch(CRD_KIND, { name }, { spec: { names: { shortNames: ['zz'] } } })).toContain(OURS);
        const crd = (await admin.get(CRD_KIND, { name }, signal)) ?? expect.fail();
        const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}/status`;
        expect(await refusalOf(send(admin, 'PUT', path, { ...crd, status: { ...crd.status, conditions: [] } }))).toContain(OURS);
        expect(await patch(CRD_KIND, { name }, labelled({ team: 'x' }))).toBe('');
      }
      expect(
        await refusalOf(
          gatekeeper.mergePatch(
            CRD_KIND,
            { name: 'k8sgeoresidency.constraints.gatekeeper.sh' },
            { spec: { names: { shortNames: ['geo'] } } },
            signal,
          ),
        ),
      ).toBe('');
    });
  });

  it('is well-typed, as far as the API server can tell', async () => {
    const guard = () => admin.list(ADMISSION_POLICY_KIND, { labelSelector: `${LABELS.component}=guard` }, signal);
    const checked = await eventually(async () => {
      const policies = await guard();
      return policies.every(({ metadata, status }) => status?.observedGeneration === metadata.generation) ? policies : undefined;
    });
    expect(checked.length).toBeGreaterThan(5);
    const warnings = checked.flatMap(({ metadata, status }) =>
      (status?.typeChecking?.expressionWarnings ?? []).map(({ fieldRef, warning }) => `${metadata.name} ${fieldRef}: ${warning}`),
    );
    expect(warnings).toEqual([]);
  });

  it('refuses changes of the parameters of the floor', async () => {
    const parameters = await admin.list(FLOOR_PARAMETERS_KIND, {}, signal);
    expect(parameters.length).toBeGreaterThan(0);
    for (const { metadata, ...content } of parameters) {
      const ref = { name: metadata.name };
      expect(await patch(FLOOR_PARAMETERS_KIND, ref, labelled({ team: 'x' }))).toContain('only the agent writes');
      expect(await refusalOf(admin.delete(FLOOR_PARAMETERS_KIND, ref, signal))).toContain('only the agent writes');
      const forged = { ...content, metadata: { name: `${metadata.name}-forged` } };
      expect(await refusalOf(admin.create(FLOOR_PARAMETERS_KIND, forged, {}, signal))).toContain('only the agent writes');
    }
  });

  it('protects the lease and the state of the agent', async () => {
    const ref = { namespace: SYSTEM_NAMESPACE, name: AGENT_LEASE };
    expect(await patch(LEASE_KIND, ref, { spec: { holderIdentity: 'thief' } })).toContain('only the agent writes');
    const state = { metadata: { namespace: SYSTEM_NAMESPACE, name: 'fso-agent-state' } };
    expect(await refusalOf(admin.create(CONFIG_MAP_KIND, state, {}, signal))).toContain('only the agent writes');
    const identity = { metadata: { namespace: SYSTEM_NAMESPACE, name: 'fso-agent-identity' } };
    expect(await refusalOf(admin.create(SECRET_KIND, identity, {}, signal))).toContain('only the agent writes');
    for (const namespace of [SYSTEM_NAMESPACE, 'default']) {
      const other = { metadata: { namespace, name: namespace === 'default' ? 'fso-agent-state' : 'notes' } };
      await admin.create(CONFIG_MAP_KIND, other, {}, signal);
    }
  });

  it('writes user names as literals, whatever characters they have', async () => {
    const names = [
      'plain',
      "o'brien",
      'x" || true || "',
      String.raw`CORP\admin`,
      String.raw`a\"`,
      'two\nlines\t',
      'ü 漢 😀 \u2028',
      '%s{}$(x)',
      '',
    ];
    const equals = names.map((name, index) => `object.data.n${index} == ${celString(name)}`).join(' && ');
    const literals = {
      metadata: { name: 'literals' },
      spec: {
        matchConstraints: { resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['CREATE'] }] },
        validations: [{ expression: `!object.metadata.name.startsWith('literals') || (${equals})`, message: 'read otherwise' }],
      },
    };
    await admin.create(ADMISSION_POLICY_KIND, literals, {}, signal);
    const binding = { metadata: literals.metadata, spec: { policyName: 'literals', validationActions: ['Deny'] } };
    await admin.create(ADMISSION_POLICY_BINDING_KIND, binding, {}, signal);
    const send = (data: Record<string, string>): Promise<string> =>
      refusalOf(
        admin.create(
          CONFIG_MAP_KIND,
          { metadata: { namespace: 'default', name: 'literals' }, data } as KubeObject,
          { dryRun: true },
          signal,
        ),
      );
    const data = Object.fromEntries(names.map((name, index) => [`n${index}`, name]));
    await eventually(async () => (await send({ ...data, n0: 'other' })).includes('read otherwise'));
    expect(await send(data)).toBe('');
    for (const key of Object.keys(data)) expect(await send({ ...data, [key]: `${data[key]}.` }), key).toContain('read otherwise');
    await admin.delete(ADMISSION_POLICY_BINDING_KIND, literals.metadata, signal);
    await admin.delete(ADMISSION_POLICY_KIND, literals.metadata, signal);
  });

  describe('on nodes', () => {
    const MOVED = 'only trusted identities set the region';
    const node = (name: string, region?: string): Node => ({
      metadata: { name, labels: region === undefined ? {} : { [REGION_LABEL]: region } },
    });

    it('refuses a new region of a node to all but trusted users', async () => {
      const name = 'us-east-1-a';
      for (const body of [
        labelled({ [REGION_LABEL]: 'eu-west-1' }),
        labelled({ [REGION_LABEL]: null }),
        labelled({ [LEGACY_REGION_LABEL]: 'eu-west-1' }),
      ]) {
        expect(await patch(NODE_KIND, { name }, body)).toContain(MOVED);
        expect(await refusalOf(send(admin, 'PATCH', `/api/v1/nodes/${name}/status`, body))).toContain(MOVED);
      }
      expect(await refusalOf(admin.create(NODE_KIND, node('new', 'eu-west-1'), {}, signal))).toContain(MOVED);
      for (const trusted of [await as('cloud'), await as('member', ['node-team'])]) {
        for (const region of ['us-west-2', 'us-east-1'])
          await trusted.mergePatch(NODE_KIND, { name }, labelled({ [REGION_LABEL]: region }), signal);
      }
    });

    it('allows a kubelet to set its region when it registers, and never later', async () => {
      const kubelet = openKubeClient({ kubeconfig: await cluster.createUserKubeconfig('system:node:fresh', ['system:nodes']) });
      clients.push(kubelet);
      await kubelet.create(NODE_KIND, node('fresh', 'eu-west-1'), {}, signal);
      expect(
        await refusalOf(kubelet.mergePatch(NODE_KIND, { name: 'fresh' }, labelled({ [REGION_LABEL]: 'us-east-1' }), signal)),
      ).toContain(MOVED);
      expect(await refusalOf(send(kubelet, 'PATCH', '/api/v1/nodes/fresh/status', { status: { capacity: { cpu: '2' } } }))).toBe('');
      const impostor = await as('system:node:other');
      expect(await refusalOf(impostor.create(NODE_KIND, node('fresh-two', 'eu-west-1'), {}, signal))).toContain(MOVED);
      await admin.delete(NODE_KIND, { name: 'fresh' }, signal);
    });

    it('allows all other changes of a node', async () => {
      await admin.create(NODE_KIND, node('plain'), {}, signal);
      expect(await patch(NODE_KIND, { name: 'plain' }, { ...labelled({ disk: 'ssd' }), spec: { unschedulable: true } })).toBe('');
      expect(await patch(NODE_KIND, { name: 'us-east-1-a' }, labelled({ disk: 'ssd' }))).toBe('');
      await admin.delete(NODE_KIND, { name: 'plain' }, signal);
    });
  });

  describe('tampering that the guard cannot refuse', () => {
    const BINDINGS = ['fso-guard-namespaces', 'fso-floor-pods-deny'];
    const tamperingOf = (key: string): ClusterEvent | undefined =>
      events.find(({ reason, message }) => reason === 'TamperingRepaired' && message.startsWith(key));
    const bindingKey = (name: string): string => `ValidatingAdmissionPolicyBinding/${name}`;
    const clusterCondition = () => agent.observatory.snapshot().cluster.conditions.find(({ type }) => type === CONDITIONS.tampered);

    it('was not reported so far: refused changes and re-created namespaces are no tampering', async () => {
      expect(events.filter(({ reason }) => reason === 'TamperingRepaired')).toEqual([]);
      expect(clusterCondition()).toMatchObject({ status: 'False', reason: 'Never' });
      expect(await world.conditionOf('finance-eu', CONDITIONS.tampered)).toBeUndefined();
    });

    it.each(BINDINGS)('is reverted and reported when an administrator deletes a binding: %s', async (name) => {
      const before = await admin.get(ADMISSION_POLICY_BINDING_KIND, { name }, signal);
      const started = performance.now();
      await admin.delete(ADMISSION_POLICY_BINDING_KIND, { name }, signal);
      const back = await eventually(() => admin.get(ADMISSION_POLICY_BINDING_KIND, { name }, signal));
      expect(back.metadata.uid).not.toBe(before?.metadata.uid);
      const event = await eventually(() => tamperingOf(bindingKey(name)));
      console.log(`${name} deleted → restored and reported: ${Math.round(performance.now() - started)} ms`);
      expect(event).toMatchObject({ severity: 'alert', message: `${bindingKey(name)} was deleted by someone else and put back` });
      await eventually(async () => {
        const recorded = await admin.list(EVENT_KIND, { namespace: 'default' }, signal);
        return recorded.some(({ reason, involvedObject }) => reason === 'TamperingRepaired' && involvedObject.name === name);
      });
    });

    it('appears in the conditions of the policies and of the cluster, and in the metrics', async () => {
      const condition = await eventually(async () => {
        const found = (await world.policy('finance-eu'))?.status?.conditions?.find(({ type }) => type === CONDITIONS.tampered);
        return found?.message === clusterCondition()?.message && found;
      });
      expect(condition).toMatchObject({ status: 'True', observedGeneration: 1 });
      expect(condition.message).toMatch(/^\d{4}-\d\d-\d\dT[\d:]+Z: ValidatingAdmissionPolicyBinding\/fso-\S+ was deleted/);
      expect(clusterCondition()).toMatchObject({ status: 'True', message: condition.message });
      const metrics = await (await fetch(`${agent.url}/metrics`)).text();
      expect(metrics).toMatch(/fso_agent_tampering_total\{cluster="test"\} [1-9]/);
      await world.reaches('finance-eu', 'Active');
    });

    it('is reported with the field manager of the change', async () => {
      const ref = { name: 'fso-guard-nodes' };
      expect(await patch(ADMISSION_POLICY_KIND, ref, { spec: { failurePolicy: 'Ignore' } })).toBe('');
      const event = await eventually(() => tamperingOf('ValidatingAdmissionPolicy/fso-guard-nodes'));
      expect(event.message).toMatch(/was changed by someone else \(field manager \S+\) and put back/);
      await eventually(async () => (await admin.get(ADMISSION_POLICY_KIND, ref, signal))?.spec?.['failurePolicy'] === 'Fail');
    });

    it('is found by the next agent if no agent ran, and nothing else is', async () => {
      await eventually(async () => (await world.namespace(SYSTEM_NAMESPACE))?.metadata.annotations?.['compliance.gov/installed']);
      await world.stopAgent(agent);
      events.length = 0;
      const name = 'fso-floor-workloads-deny';
      await admin.delete(ADMISSION_POLICY_BINDING_KIND, { name }, signal);
      await start('next');
      await eventually(() => tamperingOf(bindingKey(name)));
      await eventually(async () => (await world.conditionOf('finance-eu', CONDITIONS.tampered))?.message.includes(name));
      expect(events.filter(({ reason }) => reason === 'TamperingRepaired').map(({ message }) => message)).toEqual([
        `${bindingKey(name)} was deleted by someone else and put back`,
      ]);
      await world.stopAgent(agent);
      events.length = 0;
      await start('last');
      await eventually(() => agent.observatory.snapshot().policies.get('default/finance-eu')?.proven);
      expect(events.filter(({ reason }) => reason === 'TamperingRepaired')).toEqual([]);
      expect(clusterCondition()?.message).toContain(name);
    });

    it('does not include a replica with other settings, which writes the guard only when it leads', async () => {
      const ref = { name: 'fso-guard-nodes' };
      const before = (await admin.get(ADMISSION_POLICY_KIND, ref, signal)) ?? expect.fail();
      const { apiVersion, kind, spec } = before;
      const { name, labels } = before.metadata;
      // Another tool applies the existing values, and from then on owns them together with the agent.
      const copy = { apiVersion, kind, metadata: { name, labels }, spec } as typeof before;
      await admin.apply(ADMISSION_POLICY_KIND, copy, { fieldManager: 'argocd' }, signal);
      events.length = 0;
      const kubeconfig = join(folder, 'agent.kubeconfig');
      const other = await world.startAgent('other-settings', { kubeconfig, trustedNodeLabelers: ['cloud'] });
      other.observatory.onEvent((event) => events.push(event));
      await eventually(async () => (await fetch(`${other.url}/readyz`)).ok);
      expect((await admin.get(ADMISSION_POLICY_KIND, ref, signal))?.metadata.generation).toBe(before.metadata.generation);
      await world.stopAgent(agent);
      agent = other;
      await eventually(() => agent.observatory.snapshot().policies.get('default/finance-eu')?.proven);
      await eventually(async () => {
        const written = await admin.get(ADMISSION_POLICY_KIND, ref, signal);
        return written !== undefined && !JSON.stringify(written.spec).includes('node-team');
      });
      expect(events.filter(({ reason }) => reason === 'TamperingRepaired')).toEqual([]);
    });

    it('does not include an agent under another name that takes over; the previous agent loses its exemption', async () => {
      await world.stopAgent(agent);
      events.length = 0;
      const other = await world.startAgent('renamed', { trustedNodeLabelers: ['cloud'] });
      other.observatory.onEvent((event) => events.push(event));
      await world.applyPolicy('finance-eu', { targetNamespace: 'finance', allowedRegions: ['us-east-1'] });
      await world.reaches('finance-eu', 'Active');
      expect(events.filter(({ reason }) => reason === 'TamperingRepaired')).toEqual([]);
      const before = openKubeClient({ kubeconfig: join(folder, 'agent.kubeconfig') });
      clients.push(before);
      const strip = before.mergePatch(NAMESPACE_KIND, { name: 'finance' }, labelled({ [floorLabel('deny')]: null }), signal);
      expect(await refusalOf(strip)).toContain('only the agent writes');
    });
  });
});
