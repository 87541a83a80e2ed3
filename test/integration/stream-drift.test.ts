import { ANNOTATIONS, LABELS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { ADMISSION_POLICY_BINDING_KIND, ADMISSION_POLICY_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
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

describe('a change that another rule keeps from being reverted', () => {
  const block = { name: 'keeps-the-change' };

  afterEach(async () => {
    const kinds = [ADMISSION_POLICY_BINDING_KIND, ADMISSION_POLICY_KIND];
    await Promise.all(kinds.map((kind) => harness.client.delete(kind, block, never)));
  });

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
    const rule = { apiGroups: ['compliance.federated.io'], apiVersions: ['*'], operations: ['UPDATE'], resources: ['sovereignpolicies'] };
    const expression = "object.metadata.name != 'finance' || 'us-east-1' in object.spec.allowedRegions";
    const validations = [{ expression, message: 'not back' }];
    await harness.client.create(
      ADMISSION_POLICY_KIND,
      { metadata: block, spec: { matchConstraints: { resourceRules: [rule] }, validations } },
      {},
      never,
    );
    const binding = { metadata: block, spec: { policyName: block.name, validationActions: ['Deny'] } };
    await harness.client.create(ADMISSION_POLICY_BINDING_KIND, binding, {}, never);
    const change = (regions: readonly string[]) =>
      harness.client.mergePatch(
        SOVEREIGN_POLICY_KIND,
        { namespace: SYSTEM_NAMESPACE, name: 'finance' },
        { spec: { allowedRegions: regions } },
        never,
      );
    await waitFor(() => expect(change(['eu-central-1'])).rejects.toThrow('not back'));
    await change(['us-east-1']);
    await waitFor(() => expect(proven()).toBeNull());
    const alert = { severity: 'alert', reason: 'PolicyWriteFailed' };
    const events = () => harness.hub.got('report').flatMap((report) => report.events);
    await waitFor(() => expect(events()).toContainEqual(expect.objectContaining(alert)));
    expect(proven()).toBeNull();
    await harness.client.delete(ADMISSION_POLICY_BINDING_KIND, block, never);
    const second = harness.repository.commit({ 'policies/hr.yaml': policyFile('hr') });
    await harness.offerAndAck(second, harness.first);
    await waitFor(() => expect(proven()).toBe(second));
  });
});
