import { type ClusterEvent, CONDITIONS } from '@fso/shared/api';
import { GEO_RESIDENCY_KIND, type KindDescriptor, NAMESPACE_KIND, POD_KIND } from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { whoAmI } from '../../agent/bootstrap.ts';
import { isConstraintEnforced } from '../../agent/enforce/gatekeeper/gatekeeper.ts';
import { CANARY_LABEL, CANARY_NAME } from '../../agent/enforce/index.ts';
import { GATEKEEPER_WEBHOOKS } from '../harness/locks.ts';
import { eventually, printMs, never as signal } from '../harness/waiting.ts';
import { useLockTwo } from './lock-two-harness.ts';

const EU = ['eu-central-1', 'eu-west-1'];
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

const lockTwo = useLockTwo();

describe('the proof of lock 2', () => {
  let agent: RunningAgent;
  const NAMESPACES = ['first', 'second'];
  const events: ClusterEvent[] = [];

  const gatekeeperOf = async (name: string) => (await lockTwo.world.policy(name))?.status?.enforcement?.gatekeeper;
  const reaches = (name: string, state: string) =>
    eventually(async () => {
      const found = await gatekeeperOf(name);
      if (found?.state === state) return found;
      throw new Error(`${name}: ${JSON.stringify(found)}`);
    });
  const configuration = async () => {
    const { object } = await lockTwo.world.client.raw<{ metadata: object; webhooks: readonly Webhook[] }>(
      { method: 'GET', path: GATEKEEPER_WEBHOOKS },
      signal,
    );
    return object;
  };
  const patchWebhooks = (webhooks: unknown) =>
    lockTwo.world.client.raw(
      { method: 'PATCH', path: GATEKEEPER_WEBHOOKS, body: { webhooks }, contentType: 'application/merge-patch+json' },
      signal,
    );
  const exclude = (namespace: string, process: string) => {
    const spec = { match: [{ excludedNamespaces: [namespace], processes: [process] }] };
    const config = { metadata: { name: 'config', namespace: 'gatekeeper-system' }, spec };
    return lockTwo.world.client.create(GATEKEEPER_CONFIG, config, {}, signal);
  };
  const reported = () => agent.observatory.snapshot().cluster.gatekeeper;

  beforeAll(async () => {
    agent = await lockTwo.world.startAgent('first');
    agent.observatory.onEvent((event) => events.push(event));
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    for (const name of NAMESPACES) {
      await lockTwo.world.makeNamespace(name);
      await lockTwo.world.applyPolicy(name, { targetNamespace: name, allowedRegions: ['eu-west-1'] });
    }
    for (const name of NAMESPACES) await reaches(name, 'Enforced');
    for (const name of NAMESPACES) await lockTwo.world.reaches(name, 'Active');
  });

  it('comes from the canary, which affects no other pod', async () => {
    expect(reported()).toEqual({ state: 'Ready' });
    const canary = await lockTwo.world.client.get(GEO_RESIDENCY_KIND, { name: CANARY_NAME }, signal);
    expect(canary?.status?.totalViolations ?? 0).toBe(0);
    expect(await lockTwo.world.tryPod('default')).toBe('');
  });

  it('fails when Gatekeeper is dead, although its status still claims enforcement', async () => {
    const started = performance.now();
    await lockTwo.cluster.stopGatekeeper('SIGKILL');
    const { message } = await reaches('first', 'Degraded');
    await reaches('second', 'Degraded');
    printMs('Gatekeeper killed → both policies say so', performance.now() - started);
    expect(message).toContain('Gatekeeper');
    expect(await lockTwo.world.conditionOf('second', CONDITIONS.gatekeeperReady)).toMatchObject({ status: 'False', reason: 'Degraded' });
    expect(reported()).toMatchObject({ state: 'NotReady', message: expect.stringContaining('Gatekeeper') });
    const constraints = await lockTwo.world.client.list(GEO_RESIDENCY_KIND, {}, signal);
    expect(constraints.every(isConstraintEnforced)).toBe(true);
    expect((await lockTwo.world.reaches('first', 'Active')).status?.message).toContain('lock 1 only');
    expect(await lockTwo.world.tryPod('first')).toContain('default/first');
    await lockTwo.cluster.startGatekeeper();
    for (const name of NAMESPACES) await reaches(name, 'Enforced');
    expect(reported()).toEqual({ state: 'Ready' });
  });

  it('names the namespace that a label exempts from Gatekeeper', async () => {
    // Gatekeeper refuses the label, but its webhook is not guarded.
    const { webhooks } = await configuration();
    await patchWebhooks(webhooks.filter(({ name }) => name !== 'check-ignore-label.gatekeeper.sh'));
    const label = (value: string | null) =>
      lockTwo.world.client.mergePatch(
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
    await lockTwo.world.client.delete(GATEKEEPER_CONFIG, { namespace: 'gatekeeper-system', name: 'config' }, signal);
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
  ])('fails when the webhook is called for %s alone, which the canary cannot detect', async (_what, change, text) => {
    const { webhooks } = await configuration();
    const user = await whoAmI(lockTwo.world.client, signal);
    await patchWebhooks(webhooks.map((webhook, index) => (index === 0 ? { ...webhook, ...change(webhook, user) } : webhook)));
    for (const name of NAMESPACES) expect((await reaches(name, 'Degraded')).message).toContain(text);
    expect(reported()).toMatchObject({ state: 'NotReady', message: expect.stringContaining(text) });
    expect((await lockTwo.world.reaches('first', 'Active')).status?.message).toContain('lock 1 only');
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
    await lockTwo.world.client.raw({ method: 'DELETE', path: GATEKEEPER_WEBHOOKS }, signal);
    for (const name of NAMESPACES) expect((await reaches(name, 'Degraded')).message).toContain('is gone');
    const again = { ...whole, metadata: { name: 'gatekeeper-validating-webhook-configuration' } };
    await lockTwo.world.client.raw(
      { method: 'POST', path: GATEKEEPER_WEBHOOKS.slice(0, GATEKEEPER_WEBHOOKS.lastIndexOf('/')), body: again },
      signal,
    );
    for (const name of NAMESPACES) await reaches(name, 'Enforced');
  });

  it('survives a deletion of the canary, which is restored without a change of policies', async () => {
    const before = await lockTwo.world.client.get(GEO_RESIDENCY_KIND, { name: CANARY_NAME }, signal);
    await lockTwo.world.client.delete(GEO_RESIDENCY_KIND, { name: CANARY_NAME }, signal);
    await eventually(async () => {
      const canary = await lockTwo.world.client.get(GEO_RESIDENCY_KIND, { name: CANARY_NAME }, signal);
      return canary !== undefined && canary.metadata.uid !== before?.metadata.uid;
    });
    for (const name of NAMESPACES) await reaches(name, 'Enforced');
    const snapshot = agent.observatory.snapshot().policies;
    expect(new Set(snapshot.keys())).toEqual(new Set(['default/first', 'default/second']));
  });

  it('agrees with the audits of Gatekeeper, and reports differences', async () => {
    await lockTwo.world.makeNamespace('counted');
    const pod = { metadata: { namespace: 'counted', name: 'old' }, spec: { containers: [{ name: 'c', image: 'i:1' }] } };
    await eventually(() => lockTwo.world.client.create(POD_KIND, pod, {}, signal));
    await lockTwo.world.applyPolicy('counted', { targetNamespace: 'counted', allowedRegions: EU });
    const condition = () => lockTwo.world.conditionOf('counted', CONDITIONS.auditAgrees);
    await eventually(async () => (await condition())?.status === 'True');
    await exclude('counted', 'audit');
    await eventually(async () => (await condition())?.status === 'False');
    expect((await condition())?.message).toContain('the audit of Gatekeeper finds 0 pods');
    expect(events.filter(({ reason }) => reason === 'AuditDiffers')).toHaveLength(1);
    await lockTwo.world.client.delete(GATEKEEPER_CONFIG, { namespace: 'gatekeeper-system', name: 'config' }, signal);
    await eventually(async () => (await condition())?.status === 'True');
    await lockTwo.world.removePolicies('counted');
  });

  it('skips the canary in namespaces where no pod may run', async () => {
    await lockTwo.world.makeNamespace('none');
    await lockTwo.world.applyPolicy('none-eu', { targetNamespace: 'none', allowedRegions: ['eu-west-1'] });
    await lockTwo.world.applyPolicy('none-us', { targetNamespace: 'none', allowedRegions: ['us-east-1'] });
    await reaches('none-eu', 'Enforced');
    expect(await lockTwo.world.conditionOf('none-eu', CONDITIONS.conflict)).toMatchObject({ status: 'True' });
    await lockTwo.world.removePolicies('none-eu', 'none-us');
  });
});
