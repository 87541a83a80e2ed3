import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LocalCluster } from '@fso/clusters/local';
import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import { LEASE_KIND } from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { eventually } from '../harness/waiting.ts';

const EU = ['eu-west-1', 'eu-central-1'];

/** Agents that take over from each other, on a real control plane without Gatekeeper. */
describe('replicas of an agent', () => {
  const stop = new AbortController();
  let folder: string;
  let cluster: LocalCluster;
  let world: AgentHarness;
  let agent: RunningAgent;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-replicas-'));
    const regions = [...EU, 'us-east-1'];
    cluster = await startTestCluster({ name: 'replicas', stateDir: folder, regions, gatekeeper: false }, stop.signal);
    world = new AgentHarness(cluster.kubeconfig, stop.signal);
    agent = await world.startAgent('first');
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    await world.makeNamespace('finance');
    await world.applyPolicy('finance-eu', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'] });
    await world.reaches('finance-eu', 'Active');
    return async () => {
      await world.close();
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    };
  });

  it('fails over to a second replica, which enforces changes made meanwhile', async () => {
    const second = await world.startAgent('second');
    await eventually(async () => (await fetch(`${second.url}/readyz`)).ok);
    expect(second.isLeader()).toBe(false);
    await world.stopAgent(agent);
    await world.applyPolicy('finance-eu', { targetNamespace: 'finance', allowedRegions: ['eu-central-1'] });
    await eventually(() => second.isLeader());
    await world.reaches('finance-eu', 'Active');
    expect(await world.tryPod('finance', 'eu-west-1')).toContain('finance-eu');
    agent = second;
  });

  it('takes over from a killed replica once its lease has expired', async () => {
    await world.stopAgent(agent);
    const program = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));
    const env = {
      ...process.env,
      FSO_CLUSTER: 'test',
      KUBECONFIG: cluster.kubeconfig,
      FSO_LISTEN: '127.0.0.1:0',
      FSO_LEASE_DURATION_MS: '3000',
    };
    const doomed = spawn(process.execPath, [program], { env: { ...env, FSO_IDENTITY: 'doomed' }, stdio: 'ignore' });
    const lease = () => world.client.get(LEASE_KIND, { namespace: SYSTEM_NAMESPACE, name: 'fso-agent' }, stop.signal);
    await eventually(async () => (await lease())?.spec?.holderIdentity === 'doomed');
    agent = await world.startAgent('heir');
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    expect(agent.isLeader()).toBe(false);
    doomed.kill('SIGKILL');
    await world.applyPolicy('finance-eu', { targetNamespace: 'finance', allowedRegions: EU });
    await eventually(() => agent.isLeader());
    await world.reaches('finance-eu', 'Active');
  });

  it('releases a policy that was deleted while no agent ran, and writes nothing if nothing changed', async () => {
    await world.makeNamespace('orphan');
    await world.applyPolicy('orphan', { targetNamespace: 'orphan', allowedRegions: ['us-east-1'] });
    await world.reaches('orphan', 'Active');
    const kept = (await world.policy('finance-eu'))?.metadata.resourceVersion;
    await world.stopAgent(agent);
    await world.deletePolicy('orphan');
    expect((await world.policy('orphan'))?.metadata.deletionTimestamp).toBeDefined();
    agent = await world.startAgent('third');
    await eventually(async () => (await world.policy('orphan')) === undefined);
    expect(await world.tryPod('orphan')).toBe('');
    await eventually(() => agent.observatory.snapshot().policies.get('default/finance-eu')?.proven);
    expect((await world.policy('finance-eu'))?.metadata.resourceVersion).toBe(kept);
  });

  it('stays unready without rights, reports why, and keeps running', async () => {
    const kubeconfig = await cluster.createUserKubeconfig('nobody');
    const powerless = new AgentHarness(kubeconfig, stop.signal);
    const weak = await powerless.startAgent('weak');
    const text = await eventually(async () => {
      const body = await (await fetch(`${weak.url}/readyz`)).text();
      return body.includes('forbidden') ? body : undefined;
    });
    expect(text).toContain('the cluster cannot be prepared');
    expect((await fetch(`${weak.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${weak.url}/healthz`)).status).toBe(200);
    await powerless.close();
  });
});
