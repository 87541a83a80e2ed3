import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import {
  type ClusterEvent,
  CONDITIONS,
  FINALIZER,
  FLOOR_ACTIONS,
  floorLabel,
  floorRegionsAnnotation,
  KEY_PREFIX,
  LABELS,
  REGION_LABEL,
} from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  EVENT_KIND,
  GEO_RESIDENCY_KIND,
  NAMESPACE_KIND,
  NODE_KIND,
  POD_KIND,
} from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { CANARY_NAME } from '../../agent/enforce/index.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { eventually } from '../harness/waiting.ts';

const EU = ['eu-west-1', 'eu-central-1'];

/** The lifecycle of policies on a real control plane, first without Gatekeeper, then with it. */
describe('lifecycle of a policy', () => {
  const stop = new AbortController();
  let folder: string;
  let cluster: LocalCluster;
  let world: AgentHarness;
  let agent: RunningAgent;
  const events: ClusterEvent[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-lifecycle-'));
    cluster = await startTestCluster(
      { name: 'lifecycle', stateDir: folder, regions: [...EU, 'us-east-1'], gatekeeper: false },
      stop.signal,
    );
    world = new AgentHarness(cluster.kubeconfig, stop.signal);
    agent = await world.startAgent('first');
    agent.observatory.onEvent((event) => events.push(event));
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    return async () => {
      await world.close();
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    };
  });

  const eventReasons = (policy: string): string[] =>
    events.filter((event) => event.policy === `default/${policy}`).map(({ reason }) => reason);

  it('enforces with lock 1 alone if Gatekeeper is absent, and reports it', async () => {
    await world.makeNamespace('finance');
    await world.applyPolicy('finance-eu', { targetNamespace: 'finance', allowedRegions: EU });
    const policy = await world.reaches('finance-eu', 'Active');
    expect(policy.status).toMatchObject({
      constraintCreated: false,
      namespaces: ['finance'],
      effectiveRegions: ['eu-central-1', 'eu-west-1'],
      enforcement: { admission: { state: 'Enforced' }, binding: { state: 'Enforced' }, gatekeeper: { state: 'Unavailable' } },
    });
    expect(await world.conditionOf('finance-eu', CONDITIONS.gatekeeperReady)).toMatchObject({ status: 'False', reason: 'Unavailable' });
    expect(policy.metadata.finalizers).toContain(FINALIZER);
    expect(await world.tryPod('finance')).toContain(
      'policy default/finance-eu allows regions eu-central-1, eu-west-1 in namespace finance',
    );
    expect(await world.tryPod('finance', 'us-east-1')).toContain('us-east-1');
    expect(await world.tryPod('finance', 'eu-west-1')).toBe('');
    expect(eventReasons('finance-eu')).toEqual(['Enforced']);
  });

  it('uses Gatekeeper without a restart once it is installed', async () => {
    await cluster.startGatekeeper();
    await eventually(async () => (await world.policy('finance-eu'))?.status?.enforcement?.gatekeeper.state === 'Enforced');
    expect((await world.policy('finance-eu'))?.status).toMatchObject({ phase: 'Active', constraintCreated: true });
    expect(agent.observatory.snapshot().cluster.gatekeeper.state).toBe('Ready');
  });

  it('writes nothing when a change is not significant', async () => {
    const before = {
      namespaces: await world.versions(NAMESPACE_KIND),
      constraints: await world.client.list(GEO_RESIDENCY_KIND, {}, stop.signal),
      floor: await world.versions(ADMISSION_POLICY_KIND),
    };
    await world.applyPolicy('finance-eu', { targetNamespace: 'finance', allowedRegions: EU, description: 'a better reason' });
    await world.reaches('finance-eu', 'Active');
    expect(await world.versions(NAMESPACE_KIND)).toEqual(before.namespaces);
    expect(await world.versions(ADMISSION_POLICY_KIND)).toEqual(before.floor);
    const constraints = await world.client.list(GEO_RESIDENCY_KIND, {}, stop.signal);
    expect(constraints.map(({ metadata }) => metadata.generation)).toEqual(before.constraints.map(({ metadata }) => metadata.generation));
  });

  it('enforces a changed region list, proven by both locks', async () => {
    const took: number[] = [];
    for (const regions of [['eu-west-1'], EU, ['eu-central-1'], EU, ['eu-west-1']]) {
      const started = performance.now();
      const { metadata } = await world.applyPolicy('finance-eu', { targetNamespace: 'finance', allowedRegions: regions });
      await eventually(() => {
        const known = agent.observatory.snapshot().policies.get('default/finance-eu');
        return known?.generation === metadata.generation && known?.proven;
      });
      took.push(performance.now() - started);
    }
    console.log(`write → proven by both locks: ${took.map((ms) => Math.round(ms)).join(', ')} ms`);
    expect(await world.tryPod('finance', 'eu-central-1')).toContain('finance-eu');
    await world.reaches('finance-eu', 'Active');
  });

  it('reports a missing namespace, and becomes Active once it appears', async () => {
    await world.applyPolicy('later', { targetNamespace: 'later', allowedRegions: ['eu-west-1'] });
    const policy = await world.reaches('later', 'Failed');
    expect(policy.status?.message).toContain('namespace later does not exist');
    expect(await world.conditionOf('later', 'Reconciling')).toMatchObject({ status: 'True', reason: 'NamespaceMissing' });
    await eventually(() => agent.observatory.snapshot().policies.get('default/later')?.proven === true);
    await world.makeNamespace('later');
    await world.reaches('later', 'Active');
    expect(await world.tryPod('later')).toContain('default/later');
    expect(eventReasons('later')).toEqual(['NamespaceMissing', 'Enforced']);
    await world.removePolicies('later');
  });

  it('governs by glob, and leaves excluded namespaces alone', async () => {
    for (const name of ['team-a', 'team-b', 'team-lab']) await world.makeNamespace(name);
    await world.applyPolicy('teams', { targetNamespace: 'team-*', allowedRegions: EU, excludedNamespaces: ['team-lab'] });
    const policy = await world.reaches('teams', 'Active');
    expect(policy.status?.namespaces).toEqual(['team-a', 'team-b']);
    expect(await world.tryPod('team-lab')).toBe('');
    expect(await world.tryPod('team-b')).toContain('default/teams');
    await world.makeNamespace('team-c');
    await eventually(async () => (await world.policy('teams'))?.status?.namespaces?.includes('team-c'));
    await eventually(async () => (await world.tryPod('team-c')).includes('default/teams'));
    await world.removePolicies('teams');
    await eventually(async () => (await world.tryPod('team-a')) === '');
  });

  it('intersects policies of a namespace, never blocks by dryrun, and reports a conflict', async () => {
    await world.makeNamespace('shared');
    await world.applyPolicy('wide', { targetNamespace: 'shared', allowedRegions: EU });
    await world.applyPolicy('narrow', { targetNamespace: 'shared', allowedRegions: ['eu-west-1', 'us-east-1'] });
    await world.applyPolicy('trial', { targetNamespace: 'shared', allowedRegions: ['us-east-1'], enforcementAction: 'dryrun' });
    for (const name of ['wide', 'narrow', 'trial']) await world.reaches(name, 'Active');
    expect(await world.tryPod('shared', 'eu-west-1')).toBe('');
    expect(await world.tryPod('shared', 'us-east-1')).not.toBe('');
    await world.applyPolicy('narrow', { targetNamespace: 'shared', allowedRegions: ['us-east-1'] });
    await eventually(async () => (await world.conditionOf('wide', CONDITIONS.conflict))?.status === 'True');
    await eventually(async () => (await world.conditionOf('narrow', CONDITIONS.conflict))?.status === 'True');
    expect((await world.conditionOf('trial', CONDITIONS.conflict))?.status).toBe('False');
    await eventually(async () => (await world.tryPod('shared', 'eu-west-1')) !== '');
    expect(eventReasons('wide')).toContain('Conflict');
    await world.removePolicies('wide', 'narrow', 'trial');
  });

  it('reports the current labels of each governed namespace', async () => {
    const reported = () => agent.observatory.snapshot().policies.get('default/finance-eu')?.report.namespaceLabels;
    await eventually(() => reported()?.[0]?.labels[LABELS.policyName] === 'finance-eu');
    const { labels = {} } = (await world.namespace('finance'))?.metadata ?? {};
    const own = Object.entries(labels).filter(([key]) => key.startsWith(KEY_PREFIX));
    expect(reported()).toEqual([{ namespace: 'finance', labels: Object.fromEntries(own) }]);
  });

  it('reverts drift of labels, floor and constraints', async () => {
    await world.reaches('finance-eu', 'Active');
    const patch = { metadata: { labels: { [floorLabel('deny')]: null }, annotations: { [floorRegionsAnnotation('deny')]: 'us-east-1' } } };
    await world.client.mergePatch(NAMESPACE_KIND, { name: 'finance' }, patch, stop.signal);
    await eventually(async () => {
      const { labels, annotations } = (await world.namespace('finance'))?.metadata ?? {};
      return labels?.[floorLabel('deny')] === 'active' && annotations?.[floorRegionsAnnotation('deny')] === 'eu-west-1';
    });
    await world.client.delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-floor-pods-deny' }, stop.signal);
    await eventually(() => world.client.get(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-floor-pods-deny' }, stop.signal));
    const [constraint] = await world.client.list(GEO_RESIDENCY_KIND, {}, stop.signal);
    const name = constraint?.metadata.name ?? '';
    await world.client.mergePatch(GEO_RESIDENCY_KIND, { name }, { spec: { enforcementAction: 'dryrun' } }, stop.signal);
    await eventually(async () => (await world.client.get(GEO_RESIDENCY_KIND, { name }, stop.signal))?.spec?.enforcementAction === 'deny');
    await world.client.delete(GEO_RESIDENCY_KIND, { name }, stop.signal);
    await eventually(() => world.client.get(GEO_RESIDENCY_KIND, { name }, stop.signal));
    await world.reaches('finance-eu', 'Active');
    expect(events.some(({ reason }) => reason === 'TamperingRepaired')).toBe(true);
    await eventually(async () =>
      /fso_agent_tampering_total\{cluster="test"\} [1-9]/.test(await (await fetch(`${agent.url}/metrics`)).text()),
    );
  });

  it('stays Active with the error when lock 2 cannot be written', async () => {
    const allow = await world.refuseTheAgent(GEO_RESIDENCY_KIND, CANARY_NAME);
    await world.makeNamespace('unlucky');
    await world.applyPolicy('unlucky', { targetNamespace: 'unlucky', allowedRegions: ['us-east-1'] });
    const policy = await world.reaches('unlucky', 'Active');
    expect(policy.status?.constraintCreated).toBe(false);
    const condition = await world.conditionOf('unlucky', CONDITIONS.gatekeeperReady);
    expect(condition).toMatchObject({ status: 'False', message: expect.stringContaining('not you') });
    await eventually(() => eventReasons('unlucky').includes('EnforcementFailed'));
    expect(await world.tryPod('unlucky')).toContain('default/unlucky');
    await allow();
    await eventually(async () => (await world.policy('unlucky'))?.status?.constraintCreated);
    await world.removePolicies('unlucky');
  });

  it('expires a policy at its time', async () => {
    await world.makeNamespace('brief');
    const expireIn = (ms: number) => {
      const expiryDate = new Date(Date.now() + ms).toISOString();
      return world.applyPolicy('brief', { targetNamespace: 'brief', allowedRegions: ['eu-west-1'], expiryDate });
    };
    await expireIn(3_600_000);
    await world.reaches('brief', 'Active');
    expect(await world.conditionOf('brief', CONDITIONS.expiring)).toMatchObject({ status: 'True', reason: 'Within1Days' });
    await expireIn(1_000);
    await world.reaches('brief', 'Expired');
    await eventually(async () => (await world.tryPod('brief')) === '');
    expect((await world.namespace('brief'))?.metadata.labels?.[LABELS.enforcementAction]).toBe('expired');
    // The second date may be announced before it has passed.
    expect([...new Set(eventReasons('brief'))]).toEqual(['ExpiringSoon', 'Enforced', 'Expired']);
    await world.removePolicies('brief');
  });

  it('counts violating pods', async () => {
    await world.makeNamespace('crowd');
    const pod = {
      metadata: { name: 'stray', namespace: 'crowd' },
      spec: { containers: [{ name: 'main', image: 'app:1' }], nodeSelector: { 'topology.kubernetes.io/region': 'us-east-1' } },
    };
    await eventually(() => world.client.create(POD_KIND, pod, {}, stop.signal).then(() => true));
    await eventually(async () => (await world.client.get(POD_KIND, { namespace: 'crowd', name: 'stray' }, stop.signal))?.spec.nodeName);
    await world.applyPolicy('crowd', { targetNamespace: 'crowd', allowedRegions: EU });
    await world.reaches('crowd', 'Active');
    await eventually(async () => (await world.policy('crowd'))?.status?.violations === 1);
    const report = agent.observatory.snapshot().policies.get('default/crowd')?.report;
    expect(report?.violationSamples).toMatchObject([{ kind: 'Pod', namespace: 'crowd', name: 'stray', region: 'us-east-1' }]);
    await world.client.delete(POD_KIND, { namespace: 'crowd', name: 'stray' }, stop.signal);
    await eventually(async () => (await world.policy('crowd'))?.status?.violations === 0);
    await world.removePolicies('crowd');
  });

  it('finds pods whose node moves to another region', async () => {
    await world.makeNamespace('moved');
    await world.applyPolicy('moved', { targetNamespace: 'moved', allowedRegions: EU });
    await world.reaches('moved', 'Active');
    const nodeSelector = { [REGION_LABEL]: 'eu-west-1' };
    const pod = { metadata: { name: 'stays', namespace: 'moved' }, spec: { containers: [{ name: 'main', image: 'app:1' }], nodeSelector } };
    await eventually(() => world.client.create(POD_KIND, pod, {}, stop.signal).then(() => true));
    const nodeName = await eventually(
      async () => (await world.client.get(POD_KIND, { namespace: 'moved', name: 'stays' }, stop.signal))?.spec.nodeName,
    );
    const relabel = (region: string) =>
      world.client.mergePatch(NODE_KIND, { name: nodeName }, { metadata: { labels: { [REGION_LABEL]: region } } }, stop.signal);
    const samples = () => agent.observatory.snapshot().policies.get('default/moved')?.report.violationSamples;
    const relabelled = performance.timeOrigin + performance.now();
    await relabel('us-east-1');
    await eventually(() => samples()?.length === 1);
    expect(samples()).toMatchObject([{ kind: 'Pod', namespace: 'moved', name: 'stays', node: nodeName, region: 'us-east-1' }]);
    expect(Date.parse(samples()?.[0]?.since ?? '')).toBeGreaterThan(relabelled - 1_000);
    await relabel('eu-west-1');
    await eventually(() => samples()?.length === 0);
    await world.client.delete(POD_KIND, { namespace: 'moved', name: 'stays' }, stop.signal);
    await world.removePolicies('moved');
  });

  it('releases the namespace before a deleted policy disappears, and keeps the audit trail', async () => {
    await world.makeNamespace('past');
    await world.applyPolicy('past', { targetNamespace: 'past', allowedRegions: ['eu-central-1'] });
    await world.reaches('past', 'Active');
    await world.removePolicies('past');
    const { labels } = (await world.namespace('past'))?.metadata ?? {};
    expect(labels?.[LABELS.enforcementAction]).toBe('released');
    expect(labels?.[LABELS.policyName]).toBe('past');
    expect(FLOOR_ACTIONS.every((action) => labels?.[floorLabel(action)] !== 'active')).toBe(true);
    const constraints = await world.client.list(GEO_RESIDENCY_KIND, {}, stop.signal);
    expect(JSON.stringify(constraints)).not.toContain('default/past');
    await eventually(() => events.find(({ reason, policy }) => reason === 'Released' && policy === 'default/past'));
    const recorded = await world.client.list(EVENT_KIND, { namespace: 'default' }, stop.signal);
    expect(recorded.filter(({ involvedObject }) => involvedObject.name === 'past').map(({ reason }) => reason)).toContain('Enforced');
  });

  it('serves health, readiness and metrics', async () => {
    expect((await fetch(`${agent.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${agent.url}/readyz`)).status).toBe(200);
    const metrics = await (await fetch(`${agent.url}/metrics`)).text();
    for (const name of [
      'fso_agent_reconcile_duration_seconds',
      'fso_agent_policies',
      'fso_agent_violations',
      'fso_agent_probes_total',
      'fso_agent_leader',
    ]) {
      expect(metrics).toContain(name);
    }
  });
});
