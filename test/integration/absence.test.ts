import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { LocalCluster } from '@fso/clusters/local';
import { AGENT_EVENTS, ClusterView, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { ADMISSION_POLICY_KIND, CONFIG_MAP_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import { AgentHarness } from '../harness/agent-harness.ts';
import { type AgentProcess, startAgentProcess } from '../harness/agent-process.ts';
import { type HubHarness, openHubHarness, TOKENS } from '../harness/hub-harness.ts';
import { createHubProcess, type HubProcess } from '../harness/hub-process.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { basicRepository, policyFile } from '../harness/policy-files.ts';
import { eventually } from '../harness/waiting.ts';

const GUARD = 'fso-guard-nodes';

/** A long outage of the hub, during which the agent is killed. */
describe('after an absence', () => {
  const stop = new AbortController();
  let folder: string;
  let cluster: LocalCluster;
  let world: AgentHarness;
  let bench: HubHarness;
  let hub: HubProcess;
  let agent: AgentProcess;

  const startAgent = async (): Promise<void> => {
    const env = { FSO_HUB_URL: `${hub.agentUrl}/agent/v1/stream`, FSO_HUB_TOKEN: TOKENS.get('eu') ?? '' };
    agent = await startAgentProcess(cluster, { folder, env });
  };
  const ask = async (path: string): Promise<unknown> => (await fetch(`${hub.url}/api/v1${path}`)).json();
  const isProven = (revision: string): Promise<ClusterView> =>
    eventually(async () => {
      const view = ClusterView.parse(await ask('/clusters/eu'));
      return view.report?.provenRevision === revision && view;
    });
  const eventsOf = async (reason: string): Promise<readonly { message: string }[]> => {
    const { items } = (await ask('/events?limit=500')) as { items: { reason: string; message: string }[] };
    return items.filter((event) => event.reason === reason);
  };
  const keptEvents = async (): Promise<readonly { reason: string; message: string }[] | undefined> => {
    const map = await world.client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_EVENTS }, stop.signal);
    const packed = map?.binaryData?.['events'];
    return packed === undefined ? undefined : JSON.parse(gunzipSync(Buffer.from(packed, 'base64')).toString());
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-absence-'));
    bench = await openHubHarness();
    hub = await createHubProcess({
      name: 'hub',
      folder,
      gitUrl: bench.git.url('policies.git'),
      tokens: TOKENS,
      env: { FSO_GIT_POLL_MS: '200' },
    });
    cluster = await startTestCluster({ name: 'eu', stateDir: folder, regions: ['eu-west-1'], gatekeeper: false }, stop.signal);
    world = new AgentHarness(cluster.kubeconfig, stop.signal);
    return async () => {
      await agent.stop();
      await hub.stop();
      await world.close();
      await cluster.stop();
      await bench.close();
      await rm(folder, { recursive: true, force: true });
    };
  });

  it('synchronises hub and agent in one exchange, and loses no alert', async () => {
    const first = await bench.repository.commit(basicRepository(), 'first');
    await hub.start();
    await startAgent();
    await isProven(first);

    await hub.stop();
    await world.client.delete(ADMISSION_POLICY_KIND, { name: GUARD }, stop.signal);
    await eventually(async () => (await keptEvents())?.some(({ message }) => message.includes(GUARD)));
    await agent.stop('SIGKILL');
    for (const name of ['hr', 'law', 'tax']) await bench.repository.commit({ [`policies/${name}.yaml`]: policyFile(name) }, name);
    await world.client.delete(ADMISSION_POLICY_KIND, { name: 'fso-guard-policies' }, stop.signal);
    await startAgent();

    const last = await bench.repository.commit({ 'policies/it.yaml': policyFile('it') }, 'it');
    await hub.start();
    const view = await isProven(last);

    const messages = (await eventsOf('TamperingRepaired')).map(({ message }) => message);
    for (const name of [GUARD, 'fso-guard-policies'])
      expect(
        messages.filter((message) => message.includes(name)),
        name,
      ).toHaveLength(1);
    expect(await eventsOf('DigestMismatch')).toEqual([]);
    const live = await world.client.list(SOVEREIGN_POLICY_KIND, { namespace: SYSTEM_NAMESPACE }, stop.signal);
    expect(live.map(({ metadata }) => metadata.name).sort(byText)).toEqual(['finance', 'hr', 'it', 'law', 'tax']);
    expect(view.policies.total).toBe(live.length);
    await eventually(async () => (await keptEvents())?.length === 0);
  });
});
