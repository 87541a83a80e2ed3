import { AGENT_STATE, ANNOTATIONS, LABELS, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { CONFIG_MAP_KIND, type CustomResourceDefinition, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { beforeEach, describe, expect, it } from 'vitest';
import { policyFile } from '../harness/policy-files.ts';
import { startScriptedHub } from '../harness/scripted-hub.ts';
import { never, waitFor } from '../harness/waiting.ts';
import { useStream } from './stream-harness.ts';

const harness = useStream('stream');

/** A policy that Git does not have; it is always reported by name. */
const LOCAL: SovereignPolicy = {
  apiVersion: 'compliance.federated.io/v1',
  kind: 'SovereignPolicy',
  metadata: { namespace: SYSTEM_NAMESPACE, name: 'local' },
  spec: { targetNamespace: 'local', allowedRegions: ['eu-west-1'], enforcementAction: 'deny' },
};

describe('a commit that the hub offers', () => {
  beforeEach(async () => {
    await harness.startAgent();
    await harness.connected();
  });

  it('becomes SovereignPolicies, is acked, and is reported proven', async () => {
    expect(harness.hub.authorizations).toEqual(['Bearer secret']);
    expect(harness.hub.got('hello')[0]).toMatchObject({ cluster: 'eu', revision: null, holds: null });
    await harness.offerAndAck(harness.first, null);
    const policies = await harness.policies();
    expect(policies.map(({ metadata }) => metadata.name)).toEqual(['finance', 'hr']);
    expect(policies[1]).toMatchObject({
      metadata: {
        labels: { [LABELS.managedBy]: 'hub' },
        annotations: { [ANNOTATIONS.revision]: harness.first, [ANNOTATIONS.sourcePath]: 'policies/hr.yaml' },
      },
      spec: { targetNamespace: 'hr', allowedRegions: ['eu-central-1', 'eu-west-1'], enforcementAction: 'deny' },
    });
    await waitFor(() =>
      expect(harness.hub.got('report').at(-1)?.cluster).toMatchObject({ revision: harness.first, provenRevision: harness.first }),
    );
    expect(harness.hub.got('report')[0]).toMatchObject({ seq: 1, full: false });
  });

  it('carries and writes only changes', async () => {
    await harness.offerAndAck(harness.first, null);
    const before = await harness.policy('hr');
    const second = harness.repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) });
    const offer = await harness.offerAndAck(second, harness.first);
    expect(offer.objects.map(({ type }) => type).sort(byText)).toEqual(['blob', 'commit', 'tree', 'tree']);
    const after = await harness.policy('hr');
    expect([after?.metadata.generation, after?.metadata.annotations]).toEqual([before?.metadata.generation, before?.metadata.annotations]);
    expect(await harness.policy('finance')).toMatchObject({
      metadata: { annotations: { [ANNOTATIONS.revision]: second } },
      spec: { allowedRegions: ['eu-central-1'] },
    });
  });

  it('removes policies that it no longer has, and leaves local ones alone', async () => {
    await harness.client.create(SOVEREIGN_POLICY_KIND, LOCAL, {}, never);
    await harness.offerAndAck(harness.first, null);
    await harness.offerAndAck(harness.repository.commit({ 'policies/hr.yaml': undefined }), harness.first);
    expect(await harness.policyNames()).toEqual(['finance', 'local']);
  });

  it('is refused if an object was altered, and nothing changes', async () => {
    await harness.offerAndAck(harness.first, null);
    const texts = async () =>
      (await harness.policies()).map(({ metadata, spec }) => [metadata.name, metadata.uid, metadata.generation, spec]);
    const before = await texts();
    const second = harness.repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) });
    const offer = await harness.repository.offer(second, harness.first);
    const data = Buffer.from(policyFile('finance', ['us-east-1'])).toString('base64');
    harness.hub.send({ ...offer, objects: offer.objects.map((object) => (object.type === 'blob' ? { ...object, data } : object)) });
    expect((await harness.nackOf(second)).reasons[0]?.message).toContain('its content has the id');
    expect(await texts()).toEqual(before);
    await harness.offerAndAck(second, harness.first);
  });

  it('is requested in full if objects are missing', async () => {
    await harness.offerAndAck(harness.first, null);
    const second = harness.repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) });
    const offer = await harness.repository.offer(second, harness.first);
    harness.hub.send({ ...offer, objects: offer.objects.filter(({ type }) => type !== 'blob') });
    expect((await harness.nackOf(second)).reasons[0]?.message).toContain('neither in the offer nor held');
    await harness.connected(2);
    expect(harness.hub.got('hello')[1]).toMatchObject({ revision: harness.first, holds: null });
    await harness.offerAndAck(second, null);
  });

  it('is refused with path, line and column when its YAML is broken', async () => {
    await harness.offerAndAck(harness.first, null);
    const broken = harness.repository.commit({ 'policies/finance.yaml': `${policyFile('finance')}  allowedRegion: [x]\n` });
    harness.hub.send(await harness.repository.offer(broken, harness.first));
    expect((await harness.nackOf(broken)).reasons[0]).toMatchObject({ path: 'policies/finance.yaml', line: 8, column: expect.any(Number) });
    expect(await harness.policy('finance')).toMatchObject({ spec: { allowedRegions: ['eu-west-1'] } });
  });

  it('is superseded by a newer one', async () => {
    const second = harness.repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) });
    const third = harness.repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1', 'eu-west-1']) });
    for (const revision of [harness.first, second, third]) harness.hub.send(await harness.repository.offer(revision, null));
    await harness.acked(third);
    expect(harness.hub.got('ack').at(-1)?.revision).toBe(third);
    expect(await harness.policy('finance')).toMatchObject({ spec: { allowedRegions: ['eu-central-1', 'eu-west-1'] } });
  });

  it('is acked only once it is written, however long the API server is away', async () => {
    await harness.offerAndAck(harness.first, null);
    await harness.cluster.kill('apiserver');
    const second = harness.repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) });
    harness.hub.send(await harness.repository.offer(second, harness.first));
    await waitFor(() =>
      expect(harness.hub.got('report').flatMap(({ events }) => events)).toContainEqual(
        expect.objectContaining({ reason: 'PolicyWriteFailed' }),
      ),
    );
    expect(harness.hub.got('ack').map(({ revision }) => revision)).toEqual([harness.first]);
    await harness.cluster.start('apiserver');
    await harness.acked(second);
    expect(await harness.policy('finance')).toMatchObject({ spec: { allowedRegions: ['eu-central-1'] } });
  });
});

it('a commit is written, persisted and acked although a part of the rounds fails', async () => {
  const broken = {} as CustomResourceDefinition;
  await harness.startAgent(harness.hub.url, 'secret', [broken]);
  await harness.connected();
  await harness.offerAndAck(harness.first, null);
  expect(await harness.policyNames()).toEqual(['finance', 'hr']);
  expect(harness.agent?.observatory.ages().outOfDate).toContain('foundation');
  const state = await harness.client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE }, never);
  expect(state?.data?.['state']).toContain(harness.first);
});

describe('the stream', () => {
  it('reports in full after a reconnect', async () => {
    await harness.client.create(SOVEREIGN_POLICY_KIND, LOCAL, {}, never);
    await harness.startAgent();
    await harness.connected();
    await harness.offerAndAck(harness.first, null);
    await waitFor(() => expect(harness.hub.got('report').at(-1)?.cluster?.provenRevision).toBe(harness.first));
    const reports = harness.hub.got('report').length;
    harness.hub.drop();
    await harness.connected(2);
    expect(harness.hub.got('hello')[1]).toMatchObject({ revision: harness.first, holds: harness.first });
    await waitFor(() => expect(harness.hub.got('report').length).toBeGreaterThan(reports));
    const report = harness.hub.got('report')[reports];
    expect(report).toMatchObject({ full: true, cluster: { provenRevision: harness.first } });
    expect(report?.policies.map(({ name }) => name)).toEqual(['local']);
  });

  it('reports a rejection, for a wrong token and another protocol', async () => {
    for (const options of [{ refuseWith: 401 }, { protocol: 99 }]) {
      const other = await startScriptedHub(options);
      const { stream, stop } = await harness.startAgent(other.url);
      await waitFor(() => expect(stream.state()).toMatchObject({ state: 'rejected', retryInMs: 15_000 }));
      await stop();
      await other.close();
    }
  });
});
