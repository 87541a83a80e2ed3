import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { AGENT_IDENTITY, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { ADMISSION_POLICY_BINDING_KIND, EVENT_KIND, SECRET_KIND, type Secret } from '@fso/shared/kube';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { writeAgentKubeconfig } from '../../clusters/demo/agent-identity.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { issueToken } from '../harness/enrolment-client.ts';
import { type HubHarness, openHubHarness } from '../harness/hub-harness.ts';
import { openKubeClient, refusalOf } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { basicRepository } from '../harness/policy-files.ts';
import { eventually } from '../harness/waiting.ts';

const REF = { namespace: SYSTEM_NAMESPACE, name: AGENT_IDENTITY };

/**
 * An agent with deploy/agent/rbac.yaml on a real API server, and a hub: how it gets its identity
 * and keeps it.
 */
describe('the identity of an agent', () => {
  const stop = new AbortController();
  let cluster: LocalCluster;
  let world: AgentHarness;
  let kubeconfig: string;
  let bench: HubHarness;
  let hub: RunningHub;
  const agents: RunningAgent[] = [];

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fso-identity-'));
    cluster = await startTestCluster({ name: 'identity', stateDir: folder, regions: ['eu-west-1'], gatekeeper: false }, stop.signal);
    world = new AgentHarness(cluster.kubeconfig, stop.signal);
    kubeconfig = join(folder, 'agent.kubeconfig');
    await writeAgentKubeconfig(cluster.kubeconfig, kubeconfig);
    return async () => {
      await world.close();
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    };
  });
  beforeEach(async () => {
    bench = await openHubHarness();
    await bench.repository.commit(basicRepository(), 'first');
    hub = await startHub();
  });
  afterEach(async () => {
    await Promise.all(agents.splice(0).map((agent) => world.stopAgent(agent)));
    await bench.close();
    await deleteSecret();
  });

  const startHub = (identityLimits: object = {}, port = 0): Promise<RunningHub> =>
    bench.startHub({
      config: { identity: { ca: undefined, hostnames: [] }, agentListen: { host: '127.0.0.1', port } },
      deps: { identityLimits },
    });
  const startAgent = async (identity: string, enrolToken?: string, enrolTokenFile?: string): Promise<RunningAgent> => {
    const agent = await world.startAgent(identity, {
      cluster: 'eu',
      kubeconfig,
      hub: { url: hub.agentUrl, token: undefined, enrolToken, enrolTokenFile, ca: undefined },
    });
    agents.push(agent);
    return agent;
  };
  /**
   * Runs as an administrator who has stopped the agent and removed the guard, which would refuse
   * it.
   */
  const deleteSecret = async (): Promise<void> => {
    await world.client.delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-state' }, stop.signal);
    await eventually(async () => {
      await world.client.delete(SECRET_KIND, REF, stop.signal);
      return true;
    });
  };
  /** The refusal of a cluster administrator who changes the Secret. */
  const refusal = (): Promise<string> =>
    refusalOf(world.client.mergePatch(SECRET_KIND, REF, { metadata: { labels: { touched: 'yes' } } }, stop.signal));
  const secret = (): Promise<Secret | undefined> => world.client.get(SECRET_KIND, REF, stop.signal);
  const partOf = async (key: string): Promise<string> => Buffer.from((await secret())?.data?.[key] ?? '', 'base64').toString('utf8');
  const serial = async (): Promise<string> => new X509Certificate(await partOf('tls.crt')).serialNumber;
  const connected = (): Promise<true> => eventually(async () => ((await hub.ledger.cluster('eu'))?.connected === true ? true : undefined));
  const complaints = async (): Promise<string[]> =>
    (await world.client.list(EVENT_KIND, { namespace: SYSTEM_NAMESPACE }, stop.signal))
      .filter(({ reason }) => reason === 'NotEnrolled')
      .map(({ message }) => message);

  it('is issued for a token, is kept in its Secret, and outlives the token', async () => {
    const token = await issueToken(hub, 'eu');
    const first = await startAgent('first', token);
    await connected();
    expect(new X509Certificate(await partOf('tls.crt')).subjectAltName).toBe('URI:fso://cluster/eu');
    expect(Object.keys((await secret())?.data ?? {}).toSorted(byText)).toEqual(['ca.crt', 'enrolled-with', 'tls.crt', 'tls.key']);
    const before = await serial();
    const report = await eventually(async () => (await hub.ledger.cluster('eu'))?.report ?? undefined);
    expect(report.clockSkewMs).toEqual(expect.any(Number));
    expect(report.certificateExpires).toBeDefined();
    // The guard is in force about a second after it was written.
    await eventually(async () => (await refusal()).includes('only the agent writes'));
    await world.stopAgent(first);

    // With the spent token, as settings keep it, and without one.
    for (const settings of [token, undefined]) {
      const again = await startAgent('again', settings);
      await connected();
      expect(await serial()).toBe(before);
      await world.stopAgent(again);
    }
  });

  it('is the only Secret that the agent may read or write', async () => {
    const asAgent = openKubeClient({ kubeconfig });
    try {
      for (const name of ['foreign', 'fso-agent-identity-2']) {
        const ref = { namespace: SYSTEM_NAMESPACE, name };
        await expect(asAgent.get(SECRET_KIND, ref, stop.signal)).rejects.toThrow('forbidden');
        await expect(asAgent.apply(SECRET_KIND, { metadata: ref }, { fieldManager: 'test' }, stop.signal)).rejects.toThrow('forbidden');
      }
      await expect(asAgent.list(SECRET_KIND, { namespace: SYSTEM_NAMESPACE }, stop.signal)).rejects.toThrow('forbidden');
      await expect(asAgent.get(SECRET_KIND, { ...REF, namespace: 'default' }, stop.signal)).rejects.toThrow('forbidden');
    } finally {
      await asAgent.close();
    }
  });

  it('is renewed in time, and the agent continues with the new certificate', async () => {
    await hub.stop();
    // Backdated by 5 min, so that two thirds are over at once; an agent waits for 10 s at least.
    hub = await startHub({ certificateMs: 390_000 });
    const agent = await startAgent('first', await issueToken(hub, 'eu'));
    await connected();
    const before = await serial();
    await eventually(async () => (await serial()) !== before);
    await eventually(
      async () =>
        (await hub.ledger.cluster('eu'))?.report?.certificateExpires ===
        new X509Certificate(await partOf('tls.crt')).validToDate.toISOString(),
    );
    await connected();
    await world.stopAgent(agent);
  });

  it('is reported once when it was revoked, and a new token replaces it', async () => {
    const agent = await startAgent('first', await issueToken(hub, 'eu'));
    await connected();
    await hub.identity?.revoke('eu');
    await eventually(async () => (await complaints()).some((message) => message.includes('eu was revoked')));
    expect((await hub.ledger.cluster('eu'))?.connected).toBe(false);
    await world.stopAgent(agent);
    const again = await startAgent('second', await issueToken(hub, 'eu'));
    await connected();
    expect((await hub.identity?.get('eu'))?.generation).toBe(3);
    await world.stopAgent(again);
  });

  it('is replaced without a restart where the hub has a new CA and the agent gets a token of it', async () => {
    const file = join(bench.folder, 'token');
    await writeFile(file, await issueToken(hub, 'eu'));
    const agent = await startAgent('first', undefined, file);
    await connected();
    const [before, port] = [await partOf('ca.crt'), Number(new URL(hub.agentUrl).port)];
    await hub.stop();
    await writeFile(join(bench.folder, 'hub', 'identity', 'new-ca'), '');
    hub = await startHub({}, port);
    await writeFile(file, await issueToken(hub, 'eu'));
    await eventually(async () => (await partOf('ca.crt')) !== before);
    await connected();
    await world.stopAgent(agent);
  });

  it('stays in use beside a token that names the CA of another hub', async () => {
    const first = await startAgent('first', await issueToken(hub, 'eu'));
    await connected();
    const before = await serial();
    await world.stopAgent(first);
    await eventually(async () => (await hub.ledger.cluster('eu'))?.connected === false);
    const foreign = (await issueToken(hub, 'eu')).replace(/[0-9a-f]{64}$/, 'ab'.repeat(32));
    const again = await startAgent('again', foreign);
    await connected();
    expect(await serial()).toBe(before);
    await world.stopAgent(again);
  });

  it('is not issued for a used token, and the agent reports it and still enforces', async () => {
    const token = await issueToken(hub, 'eu');
    const agent = await startAgent('first', token);
    await connected();
    await world.stopAgent(agent);
    await deleteSecret();
    const again = await startAgent('second', token);
    await eventually(async () => (await complaints()).some((message) => message.includes('each is good for one enrolment')));
    await eventually(async () => (await fetch(`${again.url}/readyz`)).ok);
    await world.stopAgent(again);
  });
});
