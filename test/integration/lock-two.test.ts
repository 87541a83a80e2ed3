import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { type ClusterEvent, CONDITIONS, FIELD_MANAGERS, REGION_LABEL } from '@fso/shared/api';
import {
  CONSTRAINT_TEMPLATE_KIND,
  GEO_RESIDENCY_KIND,
  type K8sGeoResidency,
  type KindDescriptor,
  type KubeClient,
  NAMESPACE_KIND,
  POD_KIND,
} from '@fso/shared/kube';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { runAction } from '../../agent/apply/apply-action.ts';
import { whoAmI } from '../../agent/bootstrap.ts';
import { constraintBody } from '../../agent/enforce/gatekeeper/constraint.ts';
import { isConstraintEnforced, isTemplateReady, planGatekeeper } from '../../agent/enforce/gatekeeper/gatekeeper.ts';
import { planGovernance } from '../../agent/enforce/governance.ts';
import { CANARY_LABEL, CANARY_NAME } from '../../agent/enforce/index.ts';
import { policyOf } from '../../agent/enforce/testing/policies.ts';
import type { PolicyInput } from '../../agent/enforce/types.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { openKubeClient, refusalOf } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { GATEKEEPER_WEBHOOKS } from '../harness/locks.ts';
import { eventually, printMs } from '../harness/waiting.ts';

const EU = ['eu-central-1', 'eu-west-1'];
const SCHEDULER = 'system:kube-scheduler';
const GATEKEEPER_CONFIG: KindDescriptor = {
  apiVersion: 'config.gatekeeper.sh/v1alpha1',
  kind: 'Config',
  plural: 'configs',
  namespaced: true,
};

interface Webhook {
  readonly name: string;
  readonly rules: readonly { readonly resources: readonly string[] }[];
  readonly namespaceSelector: { readonly matchExpressions: readonly object[] };
}

const stop = new AbortController();
const { signal } = stop;
let folder: string;
let cluster: LocalCluster;
let world: AgentHarness;
const clients: KubeClient[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-lock-two-'));
  cluster = await startTestCluster(
    { name: 'lock-two', stateDir: folder, regions: ['eu-west-1', 'us-east-1'], gatekeeper: true, gatekeeperAuditSeconds: 2 },
    signal,
  );
  world = new AgentHarness(cluster.kubeconfig, signal);
});

afterAll(async () => {
  await world.close();
  await Promise.all(clients.map((client) => client.close()));
  await cluster.stop();
  await rm(folder, { recursive: true, force: true });
});

const connect = async (user: string, groups: readonly string[]): Promise<KubeClient> => {
  const client = openKubeClient({ kubeconfig: await cluster.createUserKubeconfig(user, groups) });
  clients.push(client);
  return client;
};

/** Lock 2 of some policies, without an agent and without lock 1, once it is in force. */
const installAlone = async (policies: readonly PolicyInput[]): Promise<readonly K8sGeoResidency[]> =>
  eventually(async () => {
    const template = await world.client.get(CONSTRAINT_TEMPLATE_KIND, { name: GEO_RESIDENCY_KIND.plural }, signal);
    const served = template !== undefined && isTemplateReady(template);
    const constraints = served ? await world.client.list(GEO_RESIDENCY_KIND, {}, signal) : undefined;
    const governance = planGovernance(policies, [], new Date(), { constraints: constraints ?? [] });
    const actions = planGatekeeper({ governance, template, constraints, gatekeeperServed: true, binders: [SCHEDULER] });
    for (const action of actions) await runAction(world.client, action, signal);
    return actions.length === 0 && constraints?.every(isConstraintEnforced) === true ? constraints : undefined;
  });

describe('lock 2 alone', () => {
  const NAMESPACE = 'alone';
  const ALONE = policyOf('alone', { targetNamespace: NAMESPACE, allowedRegions: EU });
  let scheduler: KubeClient;

  beforeAll(async () => {
    await world.makeNamespace(NAMESPACE);
    // From before the policy, and without a scheduler.
    const pod = {
      metadata: { namespace: NAMESPACE, name: 'waiting' },
      spec: { schedulerName: 'nobody', containers: [{ name: 'c', image: 'i:1' }] },
    };
    await eventually(() => world.client.create(POD_KIND, pod, {}, signal));
    scheduler = await connect(SCHEDULER, []);
    await installAlone([ALONE]);
  });

  const bind = async (client: KubeClient, target: object, { legacy = false, metadata = {} } = {}): Promise<string> => {
    const path = `/api/v1/namespaces/${NAMESPACE}/${legacy ? 'bindings' : 'pods/waiting/binding'}`;
    const body = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'waiting', namespace: NAMESPACE, ...metadata }, target };
    return refusalOf(client.raw({ method: 'POST', path, body, query: { dryRun: 'All' } }, signal));
  };
  const node = (name: string) => ({ apiVersion: 'v1', kind: 'Node', name });
  const REFUSED = 'admission webhook "validation.gatekeeper.sh" denied the request: [geo-deny-';

  it('lets the scheduler bind only inside', async () => {
    expect(await bind(scheduler, node('eu-west-1-a'))).toBe('');
    const outside = await bind(scheduler, node('us-east-1-a'));
    expect(outside).toContain(REFUSED);
    expect(outside).toContain(
      'policy team/alone allows regions eu-central-1, eu-west-1 in namespace alone: node "us-east-1-a" is in region "us-east-1"; fix: bind the pod through the scheduler to a node of an allowed region',
    );
    expect(await bind(scheduler, node('nowhere'))).toContain('node "nowhere" has no known region');
  });

  it('ignores forged fields of a Binding', async () => {
    const spoofed = { labels: { [REGION_LABEL]: 'eu-west-1' } };
    expect(await bind(scheduler, node('us-east-1-a'), { metadata: spoofed })).toContain('is in region "us-east-1"');
    expect(await bind(world.client, node('eu-west-1-a'), { metadata: spoofed })).toContain('is not trusted to bind pods');
    expect(await bind(world.client, node('eu-west-1-a'), { legacy: true })).toContain('the legacy bindings route bypasses the bind gate');
    expect(await bind(scheduler, { apiVersion: 'v1', name: 'us-east-1-a' }, { metadata: spoofed })).not.toBe('');
    // A Binding without a namespace: the path names it.
    expect(await bind(scheduler, node('us-east-1-a'), { metadata: { namespace: undefined } })).toContain(REFUSED);
  });

  it('does not break the audit of Gatekeeper: a Binding cannot be listed', async () => {
    /** In whole seconds: an audit of the same second may have been earlier. */
    const audited = async (): Promise<number> => {
      const constraints = await world.client.list(GEO_RESIDENCY_KIND, {}, signal);
      return Date.parse(constraints.find(({ spec }) => spec?.parameters?.regions?.length === 2)?.status?.auditTimestamp ?? '');
    };
    const before = Date.now();
    await eventually(async () => (await audited()) > before);
    const constraints = await world.client.list(GEO_RESIDENCY_KIND, {}, signal);
    const constraint = constraints.find(({ metadata }) => metadata.name !== CANARY_NAME);
    expect(constraint?.status).toMatchObject({ totalViolations: 1, violations: [{ kind: 'Pod', name: 'waiting' }] });
    expect(await readFile(join(cluster.logs, 'gatekeeper.log'), 'utf8')).not.toMatch(/"level":"error"[^\n]*[Bb]inding/);
  });

  it('takes apart what an earlier version put into one constraint, and keeps its name, while no pod passes', async () => {
    const OLDER = 'older';
    await world.makeNamespace(OLDER);
    const [us, eu] = ['us-east-1', 'eu-west-1'].map((region, index) =>
      policyOf(`p${index}`, { targetNamespace: OLDER, allowedRegions: [region] }),
    ) as [PolicyInput, PolicyInput];
    const entries = [us, eu].map(({ key, spec }) => ({ name: key, pattern: spec.targetNamespace }));
    const group = { regions: us.spec.allowedRegions, action: 'deny', excludedNamespaces: [], scoped: [], binders: [SCHEDULER] };
    const older = constraintBody(group, entries, 'geo-deny-0123456789');
    await world.client.apply(GEO_RESIDENCY_KIND, older, { fieldManager: FIELD_MANAGERS.gatekeeper }, signal);
    const tryIn = (region: string) => world.tryPod(OLDER, region);
    // As the second policy has it nowhere.
    await eventually(async () => (await tryIn('ap-south-1')) !== '' && (await tryIn('us-east-1')) === '');
    const outcomes: string[] = [];
    const settled = new AbortController();
    const trying = (async () => {
      while (!settled.signal.aborted) outcomes.push(await tryIn('ap-south-1'));
    })();
    const constraints = await installAlone([ALONE, us, eu]);
    settled.abort();
    await trying;
    expect(outcomes.filter((text) => text === '')).toEqual([]);
    const own = constraints.filter(({ spec }) => spec?.match?.namespaces?.includes(OLDER));
    expect(own.map(({ spec }) => [spec?.parameters?.regions, spec?.parameters?.policies])).toEqual(
      expect.arrayContaining([
        [['us-east-1'], [`${us.key} ${OLDER}`]],
        [['eu-west-1'], [`${eu.key} ${OLDER}`]],
      ]),
    );
    expect(own.map(({ metadata }) => metadata.name)).toEqual(
      expect.arrayContaining(['geo-deny-0123456789', expect.stringMatching(/^geo-deny-[0-9a-f]{32}$/)]),
    );
    expect(await tryIn('us-east-1')).toContain(eu.key);
  });
});

describe('the proof of lock 2', () => {
  let agent: RunningAgent;
  const NAMESPACES = ['first', 'second'];
  const events: ClusterEvent[] = [];

  const gatekeeperOf = async (name: string) => (await world.policy(name))?.status?.enforcement?.gatekeeper;
  const reaches = (name: string, state: string) =>
    eventually(async () => {
      const found = await gatekeeperOf(name);
      if (found?.state === state) return found;
      throw new Error(`${name}: ${JSON.stringify(found)}`);
    });
  const configuration = async () => {
    const { object } = await world.client.raw<{ metadata: object; webhooks: readonly Webhook[] }>(
      { method: 'GET', path: GATEKEEPER_WEBHOOKS },
      signal,
    );
    return object;
  };
  const patchWebhooks = (webhooks: unknown) =>
    world.client.raw(
      { method: 'PATCH', path: GATEKEEPER_WEBHOOKS, body: { webhooks }, contentType: 'application/merge-patch+json' },
      signal,
    );
  const exclude = (namespace: string, process: string) => {
    const spec = { match: [{ excludedNamespaces: [namespace], processes: [process] }] };
    const config = { metadata: { name: 'config', namespace: 'gatekeeper-system' }, spec };
    return world.client.create(GATEKEEPER_CONFIG, config, {}, signal);
  };
  const reported = () => agent.observatory.snapshot().cluster.gatekeeper;

  beforeAll(async () => {
    agent = await world.startAgent('first');
    agent.observatory.onEvent((event) => events.push(event));
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    for (const name of NAMESPACES) {
      await world.makeNamespace(name);
      await world.applyPolicy(name, { targetNamespace: name, allowedRegions: ['eu-west-1'] });
    }
    for (const name of NAMESPACES) await reaches(name, 'Enforced');
    for (const name of NAMESPACES) await world.reaches(name, 'Active');
  });

  it('comes from the canary, which affects no other pod', async () => {
    expect(reported()).toEqual({ state: 'Ready' });
    const canary = await world.client.get(GEO_RESIDENCY_KIND, { name: CANARY_NAME }, signal);
    expect(canary?.status?.totalViolations ?? 0).toBe(0);
    expect(await world.tryPod('default')).toBe('');
  });

  it('fails when Gatekeeper is dead, although its status still claims enforcement', async () => {
    const started = performance.now();
    await cluster.stopGatekeeper('SIGKILL');
    const { message } = await reaches('first', 'Degraded');
    await reaches('second', 'Degraded');
    printMs('Gatekeeper killed → both policies say so', performance.now() - started);
    expect(message).toContain('Gatekeeper');
    expect(await world.conditionOf('second', CONDITIONS.gatekeeperReady)).toMatchObject({ status: 'False', reason: 'Degraded' });
    expect(reported()).toMatchObject({ state: 'NotReady', message: expect.stringContaining('Gatekeeper') });
    const constraints = await world.client.list(GEO_RESIDENCY_KIND, {}, signal);
    expect(constraints.every(isConstraintEnforced)).toBe(true);
    expect((await world.reaches('first', 'Active')).status?.message).toContain('lock 1 only');
    expect(await world.tryPod('first')).toContain('default/first');
    await cluster.startGatekeeper();
    for (const name of NAMESPACES) await reaches(name, 'Enforced');
    expect(reported()).toEqual({ state: 'Ready' });
  });

  it('names the namespace that a label exempts from Gatekeeper', async () => {
    // Gatekeeper refuses the label, but its webhook is not guarded.
    const { webhooks } = await configuration();
    await patchWebhooks(webhooks.filter(({ name }) => name !== 'check-ignore-label.gatekeeper.sh'));
    const label = (value: string | null) =>
      world.client.mergePatch(
        NAMESPACE_KIND,
        { name: 'first' },
        { metadata: { labels: { 'admission.gatekeeper.sh/ignore': value } } },
        signal,
      );
    await eventually(() => label('x').then(() => true));
    const { message } = await reaches('first', 'Degraded');
    expect(message).toContain('take the label admission.gatekeeper.sh/ignore off the namespace');
    expect((await gatekeeperOf('second'))?.state).toBe('Enforced');
    await eventually(() => {
      const { state, message: reason } = reported();
      return state === 'NotReady' && reason?.includes('namespace first');
    });
    await label(null);
    await reaches('first', 'Enforced');
    await patchWebhooks(webhooks);
  });

  it('names the namespace that a Config of Gatekeeper excludes', async () => {
    await exclude('second', '*');
    const { message } = await reaches('second', 'Degraded');
    expect(message).toContain('a Config of Gatekeeper excludes the namespace');
    expect((await gatekeeperOf('first'))?.state).toBe('Enforced');
    await world.client.delete(GATEKEEPER_CONFIG, { namespace: 'gatekeeper-system', name: 'config' }, signal);
    await reaches('second', 'Enforced');
  });

  const without = (rules: Webhook['rules'], resource: string): object[] =>
    rules.map((rule) => ({ ...rule, resources: rule.resources.filter((name) => name !== resource) }));

  it.each<[what: string, change: (webhook: Webhook, user: string) => object, message: string]>([
    [
      "the canary's label",
      () => ({ objectSelector: { matchLabels: CANARY_LABEL } }),
      'webhooks[0] (validation.gatekeeper.sh).objectSelector selects only some pods: remove it',
    ],
    [
      "the agent's name",
      (_, user) => ({ matchConditions: [{ name: 'agent', expression: `request.userInfo.username == ${JSON.stringify(user)}` }] }),
      'webhooks[0] (validation.gatekeeper.sh).matchConditions leave out some requests: remove them',
    ],
    [
      'pods, and not Bindings',
      ({ rules }) => ({ rules: without(rules, 'pods/binding') }),
      'webhooks[0] (validation.gatekeeper.sh).rules leave out CREATE of pods/binding',
    ],
  ])('fails when the webhook is called for %s alone, which the canary cannot tell', async (_what, change, text) => {
    const { webhooks } = await configuration();
    const user = await whoAmI(world.client, signal);
    await patchWebhooks(webhooks.map((webhook, index) => (index === 0 ? { ...webhook, ...change(webhook, user) } : webhook)));
    for (const name of NAMESPACES) expect((await reaches(name, 'Degraded')).message).toContain(text);
    expect(reported()).toMatchObject({ state: 'NotReady', message: expect.stringContaining(text) });
    expect((await world.reaches('first', 'Active')).status?.message).toContain('lock 1 only');
    await patchWebhooks(webhooks);
    for (const name of NAMESPACES) await reaches(name, 'Enforced');
    expect(reported()).toEqual({ state: 'Ready' });
  });

  it('names the namespace that the webhook leaves out, and the line to change', async () => {
    const { webhooks } = await configuration();
    const exempt = { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['second'] };
    const narrowed = webhooks.map(({ namespaceSelector, ...webhook }, index) => {
      const { matchExpressions } = namespaceSelector;
      return { ...webhook, namespaceSelector: { matchExpressions: index === 0 ? [...matchExpressions, exempt] : matchExpressions } };
    });
    await patchWebhooks(narrowed);
    const { message } = await reaches('second', 'Degraded');
    expect(message).toMatch(/namespace second: .*webhooks\[0\] \(validation\.gatekeeper\.sh\)\.namespaceSelector\.matchExpressions\[2\]/);
    expect((await gatekeeperOf('first'))?.state).toBe('Enforced');
    expect(reported()).toMatchObject({ state: 'NotReady', message: expect.stringContaining('namespace second') });
    await patchWebhooks(webhooks);
    await reaches('second', 'Enforced');
  });

  it('fails when the webhook is no longer called', async () => {
    const { metadata: _, ...whole } = await configuration();
    await world.client.raw({ method: 'DELETE', path: GATEKEEPER_WEBHOOKS }, signal);
    for (const name of NAMESPACES) expect((await reaches(name, 'Degraded')).message).toContain('is gone');
    const again = { ...whole, metadata: { name: 'gatekeeper-validating-webhook-configuration' } };
    await world.client.raw(
      { method: 'POST', path: GATEKEEPER_WEBHOOKS.slice(0, GATEKEEPER_WEBHOOKS.lastIndexOf('/')), body: again },
      signal,
    );
    for (const name of NAMESPACES) await reaches(name, 'Enforced');
  });

  it('survives a deletion of the canary, which is restored without a change of policies', async () => {
    const before = await world.client.get(GEO_RESIDENCY_KIND, { name: CANARY_NAME }, signal);
    await world.client.delete(GEO_RESIDENCY_KIND, { name: CANARY_NAME }, signal);
    await eventually(async () => {
      const canary = await world.client.get(GEO_RESIDENCY_KIND, { name: CANARY_NAME }, signal);
      return canary !== undefined && canary.metadata.uid !== before?.metadata.uid;
    });
    for (const name of NAMESPACES) await reaches(name, 'Enforced');
    const snapshot = agent.observatory.snapshot().policies;
    expect(new Set(snapshot.keys())).toEqual(new Set(['default/first', 'default/second']));
  });

  it('agrees with the audits of Gatekeeper, and reports differences', async () => {
    await world.makeNamespace('counted');
    const pod = { metadata: { namespace: 'counted', name: 'old' }, spec: { containers: [{ name: 'c', image: 'i:1' }] } };
    await eventually(() => world.client.create(POD_KIND, pod, {}, signal));
    await world.applyPolicy('counted', { targetNamespace: 'counted', allowedRegions: EU });
    const condition = () => world.conditionOf('counted', CONDITIONS.auditAgrees);
    await eventually(async () => (await condition())?.status === 'True');
    await exclude('counted', 'audit');
    await eventually(async () => (await condition())?.status === 'False');
    expect((await condition())?.message).toContain('the audit of Gatekeeper finds 0 pods');
    expect(events.filter(({ reason }) => reason === 'AuditDiffers')).toHaveLength(1);
    await world.client.delete(GATEKEEPER_CONFIG, { namespace: 'gatekeeper-system', name: 'config' }, signal);
    await eventually(async () => (await condition())?.status === 'True');
    await world.removePolicies('counted');
  });

  it('skips the canary in namespaces where no pod may run', async () => {
    await world.makeNamespace('none');
    await world.applyPolicy('none-eu', { targetNamespace: 'none', allowedRegions: ['eu-west-1'] });
    await world.applyPolicy('none-us', { targetNamespace: 'none', allowedRegions: ['us-east-1'] });
    await reaches('none-eu', 'Enforced');
    expect(await world.conditionOf('none-eu', CONDITIONS.conflict)).toMatchObject({ status: 'True' });
    await world.removePolicies('none-eu', 'none-us');
  });
});
