import { join } from 'node:path';
import { API_VERSION, type ClusterEvent, CONDITIONS, FINALIZER, floorLabel, LABELS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { ADMISSION_POLICY_BINDING_KIND, ADMISSION_POLICY_KIND, EVENT_KIND, NAMESPACE_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import { openKubeClient, refusalOf } from '../harness/kube-client.ts';
import { eventually, never as signal } from '../harness/waiting.ts';
import { labelled, policyOf, useGuard } from './guard-harness.ts';

const guard = useGuard();

/** The guard against an administrator; the agent has the rights of deploy/agent/rbac.yaml. */
describe('guard', () => {
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
        expect(await guard.patch(NAMESPACE_KIND, { name: 'finance' }, body)).toContain(KEYS);
      }
      const live = await guard.admin.get(NAMESPACE_KIND, { name: 'finance' }, signal);
      const without = { ...live, metadata: { ...live?.metadata, labels: { 'kubernetes.io/metadata.name': 'finance' } } };
      for (const path of ['', '/status', '/finalize']) {
        expect(await refusalOf(guard.send(guard.admin, 'PUT', `/api/v1/namespaces/finance${path}`, without)), path).toContain(KEYS);
      }
      expect(
        await refusalOf(guard.send(guard.admin, 'PATCH', '/api/v1/namespaces/finance/status', labelled({ [floorLabel('deny')]: null }))),
      ).toContain(KEYS);
      for (const metadata of [{ labels: { [LABELS.policyName]: 'x' } }, { annotations: { [LABELS.policyName]: 'x' } }]) {
        expect(await refusalOf(guard.admin.create(NAMESPACE_KIND, { metadata: { name: 'forged', ...metadata } }, {}, signal))).toContain(
          KEYS,
        );
      }
      expect((await guard.world.namespace('finance'))?.metadata.labels?.[floorLabel('deny')]).toBe('active');
    });

    it('allows every other change of a governed namespace, to every user', async () => {
      expect(
        await guard.patch(
          NAMESPACE_KIND,
          { name: 'finance' },
          labelled({ team: 'money', 'pod-security.kubernetes.io/enforce': 'baseline' }),
        ),
      ).toBe('');
      const applied = { metadata: { name: 'finance', labels: { 'app.kubernetes.io/managed-by': 'Helm' }, annotations: { note: 'x' } } };
      await guard.admin.apply(NAMESPACE_KIND, applied, { fieldManager: 'helm', force: true }, signal);
      const live = await guard.admin.get(NAMESPACE_KIND, { name: 'finance' }, signal);
      await guard.send(guard.admin, 'PUT', '/api/v1/namespaces/finance', {
        ...live,
        metadata: { ...live?.metadata, labels: { ...live?.metadata.labels, team: 'gold' } },
      });
      expect((await guard.world.namespace('finance'))?.metadata).toMatchObject({
        labels: { team: 'gold', 'app.kubernetes.io/managed-by': 'Helm', [floorLabel('deny')]: 'active' },
      });
    });

    it('allows to delete a governed namespace with its local policies, and to create it again', async () => {
      for (const name of ['leaving', 'leaving-target']) await guard.world.makeNamespace(name);
      await guard.admin.create(SOVEREIGN_POLICY_KIND, policyOf('leaving', 'leaving'), {}, signal);
      const policy = () => guard.admin.get(SOVEREIGN_POLICY_KIND, { namespace: 'leaving', name: 'leaving' }, signal);
      await eventually(async () => (await policy())?.metadata.finalizers?.includes(FINALIZER));
      await eventually(async () => (await policy())?.status?.phase === 'Active');
      for (const name of ['leaving', 'leaving-target']) await guard.admin.delete(NAMESPACE_KIND, { name }, signal);
      await eventually(async () => (await guard.world.namespace('leaving')) === undefined);
      await eventually(async () => (await guard.world.namespace('leaving-target')) === undefined);
      await guard.world.makeNamespace('leaving-target');
    });

    it(`refuses to delete ${SYSTEM_NAMESPACE}`, async () => {
      expect(await refusalOf(guard.admin.delete(NAMESPACE_KIND, { name: SYSTEM_NAMESPACE }, signal))).toContain(
        'run "fso-agent uninstall"',
      );
    });
  });

  describe('on policies', () => {
    const HUB = 'comes from Git, and only the agent writes it';
    const ref = { namespace: 'default', name: 'finance-eu' };

    it('refuses to add or remove the label of the hub, and every change of an object with it', async () => {
      const fromHub = policyOf(SYSTEM_NAMESPACE, 'forged', { [LABELS.managedBy]: 'hub' });
      expect(await refusalOf(guard.admin.create(SOVEREIGN_POLICY_KIND, fromHub, {}, signal))).toContain(HUB);
      expect(await guard.patch(SOVEREIGN_POLICY_KIND, ref, labelled({ [LABELS.managedBy]: 'hub' }))).toContain(HUB);
      const agentClient = openKubeClient({ kubeconfig: join(guard.folder, 'agent.kubeconfig') });
      guard.clients.push(agentClient);
      await agentClient.apply(SOVEREIGN_POLICY_KIND, fromHub, { fieldManager: 'test-hub' }, signal);
      const hubRef = { namespace: SYSTEM_NAMESPACE, name: 'forged' };
      for (const body of [
        labelled({ [LABELS.managedBy]: null }),
        { spec: { allowedRegions: ['us-east-1'] } },
        { metadata: { ownerReferences: [] } },
        labelled({ team: 'x' }),
      ]) {
        expect(await guard.patch(SOVEREIGN_POLICY_KIND, hubRef, body)).toContain(HUB);
      }
      expect(await refusalOf(guard.admin.delete(SOVEREIGN_POLICY_KIND, hubRef, signal))).toContain(HUB);
      await agentClient.delete(SOVEREIGN_POLICY_KIND, hubRef, signal);
      await eventually(async () => (await guard.admin.get(SOVEREIGN_POLICY_KIND, hubRef, signal)) === undefined);
    });

    it('refuses a forged status, and the removal of the finalizer', async () => {
      const status = { status: { phase: 'Active', violations: 0 } };
      const path = `/apis/${API_VERSION}/namespaces/default/sovereignpolicies/finance-eu/status`;
      expect(await refusalOf(guard.send(guard.admin, 'PATCH', path, status))).toContain(
        'only the agent writes the status of a SovereignPolicy',
      );
      expect(await guard.patch(SOVEREIGN_POLICY_KIND, ref, { metadata: { finalizers: null } })).toContain(
        'finalizer compliance.gov/release',
      );
      expect(await guard.patch(SOVEREIGN_POLICY_KIND, ref, { metadata: { finalizers: [FINALIZER, 'example.com/mine'] } })).toBe('');
      expect(await guard.patch(SOVEREIGN_POLICY_KIND, ref, { metadata: { finalizers: [FINALIZER] } })).toBe('');
    });

    it('allows to create, change, label and delete local policies', async () => {
      await guard.admin.create(SOVEREIGN_POLICY_KIND, policyOf('default', 'mine'), {}, signal);
      const mine = { namespace: 'default', name: 'mine' };
      expect(await guard.patch(SOVEREIGN_POLICY_KIND, mine, { ...labelled({ team: 'x' }), spec: { allowedRegions: ['us-east-1'] } })).toBe(
        '',
      );
      await guard.world.removePolicies('mine');
    });
  });

  describe('tampering that the guard cannot refuse', () => {
    const BINDINGS = ['fso-guard-namespaces', 'fso-floor-pods-deny'];
    const tamperingOf = (key: string): ClusterEvent | undefined =>
      guard.events.find(({ reason, message }) => reason === 'TamperingRepaired' && message.startsWith(key));
    const bindingKey = (name: string): string => `ValidatingAdmissionPolicyBinding/${name}`;
    const clusterCondition = () => guard.agent.observatory.snapshot().cluster.conditions.find(({ type }) => type === CONDITIONS.tampered);

    it('was not reported so far: refused changes and re-created namespaces are no tampering', async () => {
      expect(guard.events.filter(({ reason }) => reason === 'TamperingRepaired')).toEqual([]);
      expect(clusterCondition()).toMatchObject({ status: 'False', reason: 'Never' });
      expect(await guard.world.conditionOf('finance-eu', CONDITIONS.tampered)).toBeUndefined();
    });

    it.each(BINDINGS)('is reverted and reported when an administrator deletes a binding: %s', async (name) => {
      const before = await guard.admin.get(ADMISSION_POLICY_BINDING_KIND, { name }, signal);
      const started = performance.now();
      await guard.admin.delete(ADMISSION_POLICY_BINDING_KIND, { name }, signal);
      const back = await eventually(() => guard.admin.get(ADMISSION_POLICY_BINDING_KIND, { name }, signal));
      expect(back.metadata.uid).not.toBe(before?.metadata.uid);
      const event = await eventually(() => tamperingOf(bindingKey(name)));
      console.log(`${name} deleted → restored and reported: ${Math.round(performance.now() - started)} ms`);
      expect(event).toMatchObject({ severity: 'alert', message: `${bindingKey(name)} was deleted by someone else and put back` });
      await eventually(async () => {
        const recorded = await guard.admin.list(EVENT_KIND, { namespace: 'default' }, signal);
        return recorded.some(({ reason, involvedObject }) => reason === 'TamperingRepaired' && involvedObject.name === name);
      });
    });

    it('appears in the conditions of the policies and of the cluster, and in the metrics', async () => {
      const condition = await eventually(async () => {
        const found = (await guard.world.policy('finance-eu'))?.status?.conditions?.find(({ type }) => type === CONDITIONS.tampered);
        return found?.message === clusterCondition()?.message && found;
      });
      expect(condition).toMatchObject({ status: 'True', observedGeneration: 1 });
      expect(condition.message).toMatch(/^\d{4}-\d\d-\d\dT[\d:]+Z: ValidatingAdmissionPolicyBinding\/fso-\S+ was deleted/);
      expect(clusterCondition()).toMatchObject({ status: 'True', message: condition.message });
      const metrics = await (await fetch(`${guard.agent.url}/metrics`)).text();
      expect(metrics).toMatch(/fso_agent_tampering_total\{cluster="test"\} [1-9]/);
      await guard.world.reaches('finance-eu', 'Active');
    });

    it('is reported with the field manager of the change', async () => {
      const ref = { name: 'fso-guard-nodes' };
      expect(await guard.patch(ADMISSION_POLICY_KIND, ref, { spec: { failurePolicy: 'Ignore' } })).toBe('');
      const event = await eventually(() => tamperingOf('ValidatingAdmissionPolicy/fso-guard-nodes'));
      expect(event.message).toMatch(/was changed by someone else \(field manager \S+\) and put back/);
      await eventually(async () => (await guard.admin.get(ADMISSION_POLICY_KIND, ref, signal))?.spec?.['failurePolicy'] === 'Fail');
    });

    it('is found by the next agent if no agent ran, and nothing else is', async () => {
      await eventually(async () => (await guard.world.namespace(SYSTEM_NAMESPACE))?.metadata.annotations?.['compliance.gov/installed']);
      await guard.world.stopAgent(guard.agent);
      guard.events.length = 0;
      const name = 'fso-floor-workloads-deny';
      await guard.admin.delete(ADMISSION_POLICY_BINDING_KIND, { name }, signal);
      await guard.start('next');
      await eventually(() => tamperingOf(bindingKey(name)));
      await eventually(async () => (await guard.world.conditionOf('finance-eu', CONDITIONS.tampered))?.message.includes(name));
      expect(guard.events.filter(({ reason }) => reason === 'TamperingRepaired').map(({ message }) => message)).toEqual([
        `${bindingKey(name)} was deleted by someone else and put back`,
      ]);
      await guard.world.stopAgent(guard.agent);
      guard.events.length = 0;
      await guard.start('last');
      await eventually(() => guard.agent.observatory.snapshot().policies.get('default/finance-eu')?.proven);
      expect(guard.events.filter(({ reason }) => reason === 'TamperingRepaired')).toEqual([]);
      expect(clusterCondition()?.message).toContain(name);
    });

    it('does not include a replica with other settings, which writes the guard only when it leads', async () => {
      const ref = { name: 'fso-guard-nodes' };
      const before = (await guard.admin.get(ADMISSION_POLICY_KIND, ref, signal)) ?? expect.fail();
      const { apiVersion, kind, spec } = before;
      const { name, labels } = before.metadata;
      // Another tool applies the existing values, and owns them together with the agent.
      const copy = { apiVersion, kind, metadata: { name, labels }, spec } as typeof before;
      await guard.admin.apply(ADMISSION_POLICY_KIND, copy, { fieldManager: 'argocd' }, signal);
      guard.events.length = 0;
      const kubeconfig = join(guard.folder, 'agent.kubeconfig');
      const other = await guard.world.startAgent('other-settings', { kubeconfig, trustedNodeLabelers: ['cloud'] });
      other.observatory.onEvent((event) => guard.events.push(event));
      await eventually(async () => (await fetch(`${other.url}/readyz`)).ok);
      expect((await guard.admin.get(ADMISSION_POLICY_KIND, ref, signal))?.metadata.generation).toBe(before.metadata.generation);
      await guard.world.stopAgent(guard.agent);
      guard.agent = other;
      await eventually(() => guard.agent.observatory.snapshot().policies.get('default/finance-eu')?.proven);
      await eventually(async () => {
        const written = await guard.admin.get(ADMISSION_POLICY_KIND, ref, signal);
        return written !== undefined && !JSON.stringify(written.spec).includes('node-team');
      });
      expect(guard.events.filter(({ reason }) => reason === 'TamperingRepaired')).toEqual([]);
    });

    it('does not include an agent under another name that takes over; the previous agent loses its exemption', async () => {
      await guard.world.stopAgent(guard.agent);
      guard.events.length = 0;
      const other = await guard.world.startAgent('renamed', { trustedNodeLabelers: ['cloud'] });
      other.observatory.onEvent((event) => guard.events.push(event));
      await guard.world.applyPolicy('finance-eu', { targetNamespace: 'finance', allowedRegions: ['us-east-1'] });
      await guard.world.reaches('finance-eu', 'Active');
      expect(guard.events.filter(({ reason }) => reason === 'TamperingRepaired')).toEqual([]);
      const before = openKubeClient({ kubeconfig: join(guard.folder, 'agent.kubeconfig') });
      guard.clients.push(before);
      const strip = before.mergePatch(NAMESPACE_KIND, { name: 'finance' }, labelled({ [floorLabel('deny')]: null }), signal);
      expect(await refusalOf(strip)).toContain('only the agent writes');
    });
  });
});
