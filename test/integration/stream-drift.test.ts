import { AGENT_STATE, ANNOTATIONS, LABELS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { ADMISSION_POLICY_BINDING_KIND, ADMISSION_POLICY_KIND, CONFIG_MAP_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { afterEach, describe, expect, it } from 'vitest';
import { policyFile } from '../harness/policy-files.ts';
import { never, waitFor } from '../harness/waiting.ts';
import { useStream } from './stream-harness.ts';

const harness = useStream('stream-drift');

describe('drift of a hub-managed policy', () => {
  const change = async (): Promise<void> => {
    const ref = { namespace: SYSTEM_NAMESPACE, name: 'finance' };
    const patch = {
      metadata: { labels: { [LABELS.managedBy]: null } },
      spec: { allowedRegions: ['us-east-1'], excludedNamespaces: ['*'] },
    };
    await harness.client.mergePatch(SOVEREIGN_POLICY_KIND, ref, patch, never);
    await harness.client.delete(SOVEREIGN_POLICY_KIND, { ...ref, name: 'hr' }, never);
  };
  const putBack = (): Promise<void> =>
    waitFor(async () => {
      const policies = await harness.policies();
      expect(policies.map(({ metadata, spec }) => [metadata.name, spec.allowedRegions, spec.excludedNamespaces])).toEqual([
        ['finance', ['eu-west-1'], undefined],
        ['hr', ['eu-central-1', 'eu-west-1'], undefined],
      ]);
      for (const { metadata } of policies) {
        expect(metadata.labels?.[LABELS.managedBy]).toBe('hub');
        expect(metadata.annotations?.[ANNOTATIONS.revision]).toBe(harness.first);
      }
    });

  it('is reverted, and reported to the hub', async () => {
    await harness.startAgent();
    await harness.connected();
    await harness.offerAndAck(harness.first, null);
    await change();
    await putBack();
    const reasons = () => harness.hub.got('report').flatMap(({ events }) => events.map(({ reason, policy }) => `${reason} ${policy}`));
    for (const name of ['finance', 'hr']) {
      await waitFor(() => expect(reasons()).toContain(`TamperingRepaired ${name}`));
    }
  });

  it('is reverted when a foreign finalizer keeps the deleted policy, with an alert at the hub', async () => {
    await harness.startAgent();
    await harness.connected();
    await harness.offerAndAck(harness.first, null);
    const before = await harness.policy('hr');
    const ref = { namespace: SYSTEM_NAMESPACE, name: 'hr' };
    const kept = { metadata: { finalizers: ['example.com/keep'] } };
    await harness.client.mergePatch(SOVEREIGN_POLICY_KIND, ref, kept, never);
    await harness.client.delete(SOVEREIGN_POLICY_KIND, ref, never);
    const renewed = async (): Promise<void> => {
      const metadata = (await harness.policy('hr'))?.metadata;
      expect(metadata).toMatchObject({ uid: expect.any(String), annotations: { [ANNOTATIONS.revision]: harness.first } });
      expect([metadata?.uid === before?.metadata.uid, metadata?.deletionTimestamp]).toEqual([false, undefined]);
      expect(metadata?.finalizers ?? []).not.toContain('example.com/keep');
    };
    await waitFor(renewed);
    const alert = {
      severity: 'alert',
      reason: 'TamperingRepaired',
      policy: 'hr',
      message: expect.stringContaining('was deleted'),
    };
    const events = () => harness.hub.got('report').flatMap((report) => report.events);
    await waitFor(() => expect(events()).toContainEqual(expect.objectContaining(alert)));
  });

  it('is reverted after a restart without a hub, with the same revision', async () => {
    const before = await harness.startAgent();
    await harness.connected();
    await harness.offerAndAck(harness.first, null);
    await before.stop();
    await change();
    const after = await harness.startAgent('ws://127.0.0.1:1');
    expect(after.observatory.snapshot().revision?.facts).toMatchObject({ revision: harness.first });
    await putBack();
    await after.stop();
    await harness.startAgent();
    await harness.connected(2);
    expect(harness.hub.got('hello')[1]).toMatchObject({ revision: harness.first, holds: null });
  });
});

describe('a rule of others that refuses writes of the agent', () => {
  const block = { name: 'refuses-writes' };
  const allow = (kind: Parameters<typeof harness.client.delete>[0]) => harness.client.delete(kind, block, never);

  afterEach(async () => {
    await Promise.all([ADMISSION_POLICY_BINDING_KIND, ADMISSION_POLICY_KIND].map(allow));
  });

  /** Refuses with `no` what does not satisfy the expression. */
  const refuse = async (apiGroups: readonly string[], resources: readonly string[], expression: string): Promise<void> => {
    const resourceRules = [{ apiGroups, apiVersions: ['*'], operations: ['UPDATE'], resources }];
    const spec = { matchConstraints: { resourceRules }, validations: [{ expression, message: 'no' }] };
    await harness.client.create(ADMISSION_POLICY_KIND, { metadata: block, spec }, {}, never);
    const binding = { metadata: block, spec: { policyName: block.name, validationActions: ['Deny'] } };
    await harness.client.create(ADMISSION_POLICY_BINDING_KIND, binding, {}, never);
  };
  const events = () => harness.hub.got('report').flatMap((report) => report.events);
  const alerted = (alert: object): Promise<void> => waitFor(() => expect(events()).toContainEqual(expect.objectContaining(alert)));

  it('leaves no revision proven until the policy is as Git has it', async () => {
    await harness.startAgent();
    await harness.connected();
    await harness.offerAndAck(harness.first, null);
    const proven = () =>
      harness.hub
        .got('report')
        .flatMap((report) => report.cluster ?? [])
        .at(-1)?.provenRevision;
    await waitFor(() => expect(proven()).toBe(harness.first));
    const expression = "object.metadata.name != 'finance' || 'us-east-1' in object.spec.allowedRegions";
    await refuse(['compliance.federated.io'], ['sovereignpolicies'], expression);
    const change = (regions: readonly string[]) =>
      harness.client.mergePatch(
        SOVEREIGN_POLICY_KIND,
        { namespace: SYSTEM_NAMESPACE, name: 'finance' },
        { spec: { allowedRegions: regions } },
        never,
      );
    await waitFor(() => expect(change(['eu-central-1'])).rejects.toThrow('no'));
    await change(['us-east-1']);
    await waitFor(() => expect(proven()).toBeNull());
    await alerted({ severity: 'alert', reason: 'PolicyWriteFailed' });
    expect(proven()).toBeNull();
    await allow(ADMISSION_POLICY_BINDING_KIND);
    const second = harness.repository.commit({ 'policies/hr.yaml': policyFile('hr') });
    await harness.offerAndAck(second, harness.first);
    await waitFor(() => expect(proven()).toBe(second));
  });

  it('keeps a written commit from being acked, and the next one is once its state is persisted', async () => {
    await harness.startAgent();
    await harness.connected();
    await harness.offerAndAck(harness.first, null);
    const sample = { namespace: 'default', name: 'sample' };
    await harness.client.create(CONFIG_MAP_KIND, { metadata: sample }, {}, never);
    await refuse([''], ['configmaps'], `!(object.metadata.name in ['sample', '${AGENT_STATE}'])`);
    await waitFor(() => expect(harness.client.mergePatch(CONFIG_MAP_KIND, sample, { data: { at: 'now' } }, never)).rejects.toThrow('no'));
    const commits = [['eu-central-1'], ['eu-central-1', 'eu-west-1']].map((regions) => ({
      regions,
      revision: harness.repository.commit({ 'policies/finance.yaml': policyFile('finance', regions) }),
    }));
    for (const { regions, revision } of commits) {
      harness.hub.send(await harness.repository.offer(revision, harness.first));
      await waitFor(async () => expect((await harness.policy('finance'))?.spec.allowedRegions).toEqual(regions));
      await alerted({ reason: 'PolicyWriteFailed', revision, message: expect.stringContaining('the accepted state') });
    }
    expect(harness.hub.got('ack').map(({ revision }) => revision)).toEqual([harness.first]);
    await allow(ADMISSION_POLICY_BINDING_KIND);
    const last = commits.at(-1)?.revision ?? '';
    await harness.acked(last);
    expect(harness.hub.got('ack').at(-1)?.revision).toBe(last);
    const state = await harness.client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE }, never);
    expect(state?.data?.['state']).toContain(last);
  });
});
