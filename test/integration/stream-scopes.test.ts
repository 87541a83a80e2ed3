import { AGENT_STATE, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { CONFIG_MAP_KIND } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import { openHubHarness, TOKENS } from '../harness/hub-harness.ts';
import { clusterFile, policyFile, scopeFile } from '../harness/policy-files.ts';
import { never, waitFor } from '../harness/waiting.ts';
import { useStream } from './stream-harness.ts';

const harness = useStream('stream-scopes');

describe('the scopes of a repository', () => {
  const one = { matching: 'clusterSelector: { matchLabels: { tier: one } }', other: 'clusterSelector: { matchLabels: { tier: two } }' };
  const files = {
    'clusters/eu.yaml': clusterFile('eu', ['eu-west-1'], 'tier: one'),
    'clusters/us.yaml': clusterFile('us', ['us-east-1']),
    'policies/free.yaml': policyFile('free'),
    'policies/one/scope.yaml': scopeFile('one', one.matching),
    'policies/one/a.yaml': policyFile('a'),
    'policies/one/deep/b.yaml': policyFile('b'),
    'policies/us/scope.yaml': scopeFile('us', 'clusterNames: [us]'),
    'policies/us/secret.yaml': policyFile('secret'),
  };

  it('decide what a cluster gets, by scope, label and registration, also while it is away', async () => {
    const bench = await openHubHarness();
    try {
      let real = await bench.startHub();
      const commit = async (change: Record<string, string | null>): Promise<string> => {
        const revision = await bench.repository.commit(change, 'change');
        real.source.hint();
        return revision;
      };
      const holds = (revision: string, wanted: readonly string[]) =>
        waitFor(async () => {
          expect((await real.ledger.cluster('eu'))?.acked?.revision).toBe(revision);
          expect(await harness.policyNames()).toEqual(wanted);
        });
      const left = async (): Promise<readonly string[]> =>
        (await real.ledger.events({ limit: 100 })).filter(({ reason }) => reason === 'ScopeLeft').map(({ message }) => message);

      const begin = await commit(files);
      await harness.startAgent(real.agentUrl, TOKENS.get('eu'));
      await holds(begin, ['a', 'b', 'free']);
      await holds(await commit({ 'policies/one/scope.yaml': scopeFile('one', one.other) }), ['free']);
      await waitFor(async () =>
        expect(await left()).toEqual(['this cluster has left the scope of policies/one: 2 policies do not hold here any more (a, b)']),
      );
      // What lies below was not held meanwhile, and has changed.
      await commit({ 'policies/one/deep/b.yaml': policyFile('b', ['eu-central-1']) });
      await holds(await commit({ 'policies/one/scope.yaml': scopeFile('one', one.matching) }), ['a', 'b', 'free']);
      expect((await harness.policy('b'))?.spec.allowedRegions).toEqual(['eu-central-1']);

      await holds(await commit({ 'clusters/eu.yaml': clusterFile('eu', ['eu-west-1'], 'tier: three') }), ['free']);
      const port = Number(new URL(real.agentUrl).port);
      await real.stop();
      const back = await bench.repository.commit(
        { 'clusters/eu.yaml': null, 'clusters/4d/eu.yaml': clusterFile('eu', ['eu-west-1'], 'tier: one') },
        'back, while the agent is cut off',
      );
      real = await bench.startHub({ config: { agentListen: { host: '127.0.0.1', port } } });
      await holds(back, ['a', 'b', 'free']);

      await holds(await commit({ 'clusters/4d/eu.yaml': null }), []);
      await waitFor(async () => expect((await left())[0]).toMatch(/^clusters\/4d\/eu.yaml is gone, .*: 3 policies do not hold here/));
      await holds(await commit({ 'clusters/eu.yaml': clusterFile('eu', ['eu-west-1']) }), ['free']);
      const reasons = (await real.ledger.events({ limit: 100 })).map(({ reason }) => reason);
      expect(reasons).not.toContain('DigestMismatch');
      expect(reasons).not.toContain('RevisionRefused');
    } finally {
      await harness.agent?.stop();
      await bench.close();
    }
  });

  it('keep from a cluster what lies below, and the registrations of others', async () => {
    const bench = await openHubHarness();
    try {
      const real = await bench.startHub();
      await bench.repository.commit(files, 'first');
      real.source.hint();
      const offered = async (cluster: string): Promise<string[]> => {
        const { objects } = await (await bench.agent(real, cluster)).next('offer');
        const texts = objects.map((object) => ('data' in object ? Buffer.from(object.data, 'base64').toString() : ''));
        return texts.flatMap((text) => /^kind: (\w+)\nmetadata:\n {2}name: (\w+)$/m.exec(text)?.slice(1, 3).join(' ') ?? []).sort(byText);
      };
      const shared = ['PolicyScope one', 'PolicyScope us', 'SovereignPolicy free'];
      expect(await offered('eu')).toEqual(['ManagedCluster eu', ...shared, 'SovereignPolicy a', 'SovereignPolicy b'].sort(byText));
      expect(await offered('us')).toEqual(['ManagedCluster us', ...shared, 'SovereignPolicy secret'].sort(byText));
      expect(await offered('stray')).toEqual(shared);
    } finally {
      await bench.close();
    }
  });

  it('ends nothing by a commit without the registration of the cluster that the agent does not know of', async () => {
    const { stop } = await harness.startAgent();
    await harness.connected();
    await harness.offerAndAck(harness.first, null);
    await stop();
    const ref = { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE };
    const state = (await harness.client.get(CONFIG_MAP_KIND, ref, never))?.data?.['state'];
    const { registration: _unknown, ...older } = JSON.parse(state ?? '{}') as Record<string, unknown>;
    await harness.client.mergePatch(CONFIG_MAP_KIND, ref, { data: { state: JSON.stringify(older) } }, never);
    await harness.startAgent();
    await harness.connected(2);
    const gone = harness.repository.commit({ 'clusters/eu.yaml': undefined });
    harness.hub.send(await harness.repository.offer(gone, null, harness.first));
    expect((await harness.nackOf(gone)).reasons).toEqual([
      { path: 'clusters/eu.yaml', message: expect.stringContaining('is not registered in this commit') },
    ]);
    expect(await harness.policyNames()).toEqual(['finance', 'hr']);
  });
});
