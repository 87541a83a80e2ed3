import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { ANNOTATIONS, API_VERSION, type ClusterEvent, floorLabel, LABELS, type SovereignPolicy } from '@fso/shared/api';
import { ADMISSION_POLICY_BINDING_KIND, CRD_KIND, GEO_RESIDENCY_KIND, NAMESPACE_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { GATEKEEPER_WEBHOOKS } from '../harness/locks.ts';
import { eventually, waitFor } from '../harness/waiting.ts';

const EU = ['eu-west-1'];

/** Behaviour of an agent during outages of the cluster's parts or of the agent itself. */
describe('outages', () => {
  const stop = new AbortController();
  let cluster: LocalCluster;
  let world: AgentHarness;
  let agent: RunningAgent;
  let events: ClusterEvent[] = [];

  const start = async (identity: string): Promise<void> => {
    agent = await world.startAgent(identity);
    events = [];
    agent.observatory.onEvent((event) => events.push(event));
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
  };

  const govern = async (name: string): Promise<SovereignPolicy> => {
    await world.makeNamespace(name);
    await world.applyPolicy(name, { targetNamespace: name, allowedRegions: EU });
    return world.reaches(name, 'Active');
  };

  const gatekeeperOf = async (name: string): Promise<string | undefined> =>
    (await world.policy(name))?.status?.enforcement?.gatekeeper.state;

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fso-outages-'));
    cluster = await startTestCluster(
      { name: 'outages', stateDir: folder, regions: ['eu-west-1', 'us-east-1'], gatekeeper: true },
      stop.signal,
    );
    world = new AgentHarness(cluster.kubeconfig, stop.signal);
    await start('first');
    await eventually(() => agent.observatory.snapshot().cluster.gatekeeper.state === 'Ready');
    return async () => {
      await world.close();
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    };
  });

  it('does not treat a policy as one of the hub because of a foreign label', async () => {
    await govern('steady');
    const claim = { labels: { [LABELS.managedBy]: 'hub' }, annotations: { [ANNOTATIONS.revision]: 'f'.repeat(40) } };
    await world.client.mergePatch(SOVEREIGN_POLICY_KIND, { namespace: 'default', name: 'steady' }, { metadata: claim }, stop.signal);
    await eventually(async () => (await world.policy('steady'))?.metadata.labels?.[LABELS.managedBy]);
    await world.applyPolicy('steady', { targetNamespace: 'steady', allowedRegions: EU, description: 'a change that a round must see' });
    const { status } = await world.reaches('steady', 'Active');
    expect(status?.revision).toBeUndefined();
    expect(agent.observatory.snapshot().policies.get('default/steady')?.report.managedBy).toBe('local');
  });

  it('reports the removal of enforcing objects', async () => {
    const reported = (key: string): Promise<unknown> =>
      waitFor(() => {
        const repairs = events.filter(({ reason }) => reason === 'TamperingRepaired').map(({ message }) => message);
        expect(repairs.map((message) => message.slice(0, key.length))).toContain(key);
      });
    // A policy is enforced by the index of lock 1 before its namespace has labels, and nothing can
    // be taken that is not there.
    const { labels = {}, annotations = {} } = await eventually(async () => {
      const live = await world.namespace('steady');
      return live?.metadata.labels?.[floorLabel('deny')] === 'active' && live.metadata;
    });
    const none = (values: object): Record<string, null> =>
      Object.fromEntries(Object.keys(values).flatMap((key) => (key.startsWith('compliance.gov/') ? [[key, null]] : [])));
    const patch = { metadata: { labels: none(labels), annotations: none(annotations) } };
    await world.client.mergePatch(NAMESPACE_KIND, { name: 'steady' }, patch, stop.signal);
    await reported('Namespace/steady');
    await world.client.delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-floor-bindings-deny' }, stop.signal);
    await reported('ValidatingAdmissionPolicyBinding/fso-floor-bindings-deny');
    const [constraint] = await world.client.list(GEO_RESIDENCY_KIND, {}, stop.signal);
    const name = constraint?.metadata.name ?? '';
    await world.client.delete(GEO_RESIDENCY_KIND, { name }, stop.signal);
    await reported(`K8sGeoResidency/${name}`);
    await world.reaches('steady', 'Active');
    expect((await world.namespace('steady'))?.metadata.labels?.[floorLabel('deny')]).toBe('active');
  });

  it('notices changes and expiries from while no agent ran', async () => {
    await govern('brief');
    await world.stopAgent(agent);
    const expiryDate = new Date(Date.now() + 500).toISOString();
    await world.applyPolicy('brief', { targetNamespace: 'brief', allowedRegions: EU, expiryDate });
    await world.applyPolicy('steady', { targetNamespace: 'steady', allowedRegions: ['us-east-1'] });
    await eventually(() => Date.now() > Date.parse(expiryDate));
    await start('second');
    await world.reaches('brief', 'Expired');
    await eventually(async () => (await world.tryPod('brief')) === '');
    await world.reaches('steady', 'Active');
    expect(await world.tryPod('steady', 'eu-west-1')).toContain('default/steady');
    await world.removePolicies('brief');
  });

  // Gatekeeper's own webhook on namespaces fails closed: while it is down, no user can change a
  // namespace, and neither can the agent.
  it('keeps enforcing while Gatekeeper is down, reports writes that fail, and catches up', async () => {
    await govern('dark');
    await world.makeNamespace('idle');
    await cluster.stopGatekeeper('SIGKILL');
    expect(await world.tryPod('dark')).toContain('default/dark');
    await world.applyPolicy('steady', { targetNamespace: 'steady', allowedRegions: EU });
    await world.deletePolicy('dark');
    await eventually(() => events.some(({ reason, policy }) => reason === 'EnforcementFailed' && policy === 'default/steady'));
    const { status } = await world.reaches('steady', 'Failed');
    expect(status?.message).toContain('check-ignore-label.gatekeeper.sh');
    expect(await world.tryPod('steady')).toContain('default/steady');
    expect((await world.policy('dark'))?.metadata.deletionTimestamp).toBeDefined();
    // A namespace that no policy governed yet needs no label: the index of lock 1 governs it.
    await world.applyPolicy('late', { targetNamespace: 'idle', allowedRegions: EU });
    await world.reaches('late', 'Active');
    expect(await world.tryPod('idle')).toContain("'fso-floor-index-pods-deny'");
    expect(await world.tryPod('idle', 'eu-west-1')).toBe('');
    expect((await world.namespace('idle'))?.metadata.labels?.[floorLabel('deny')]).toBeUndefined();
    await cluster.startGatekeeper();
    await eventually(async () => (await world.namespace('idle'))?.metadata.labels?.[floorLabel('deny')] === 'active');
    await eventually(async () => (await world.tryPod('idle')).includes("'fso-floor-pods-deny'"));
    await world.removePolicies('late');
    await world.reaches('steady', 'Active');
    await eventually(async () => (await world.policy('dark')) === undefined);
    expect(await world.tryPod('dark')).toBe('');
    await eventually(async () => (await gatekeeperOf('steady')) === 'Enforced');
    expect(JSON.stringify(await world.client.list(GEO_RESIDENCY_KIND, {}, stop.signal))).not.toContain('default/dark');
  });

  it('restores a deleted CRD, and governs again', async () => {
    await world.client.delete(CRD_KIND, { name: 'sovereignpolicies.compliance.federated.io' }, stop.signal);
    const deleted = 'CustomResourceDefinition/sovereignpolicies.compliance.federated.io was deleted';
    await eventually(() =>
      events.some(({ reason, severity, message }) => reason === 'TamperingRepaired' && severity === 'alert' && message.startsWith(deleted)),
    );
    const body = { metadata: { namespace: 'default', name: 'again' }, spec: { targetNamespace: 'steady', allowedRegions: EU } };
    const again = { apiVersion: API_VERSION, kind: 'SovereignPolicy', ...body } as unknown as SovereignPolicy;
    await eventually(() => world.client.create(SOVEREIGN_POLICY_KIND, again, {}, stop.signal));
    await world.reaches('again', 'Active');
  });

  it('reports the removal of Gatekeeper, and still releases a deleted policy', async () => {
    await cluster.stopGatekeeper();
    await world.client.raw({ method: 'DELETE', path: GATEKEEPER_WEBHOOKS }, stop.signal);
    await world.client.delete(CRD_KIND, { name: 'constrainttemplates.templates.gatekeeper.sh' }, stop.signal);
    await eventually(async () => (await gatekeeperOf('again')) === 'Unavailable');
    expect((await world.policy('again'))?.status).toMatchObject({ phase: 'Active', constraintCreated: false });
    expect(agent.observatory.snapshot().cluster.gatekeeper.state).toBe('Absent');
    expect(await world.tryPod('steady')).toContain('default/again');
    await world.removePolicies('again');
    expect(await world.tryPod('steady')).toBe('');
  });
});
