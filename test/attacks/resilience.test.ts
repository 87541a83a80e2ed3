import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import { NAMESPACE_KIND, POD_KIND, SERVICE_ACCOUNT_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clusterPaths, readState } from '../../clusters/local/state.ts';
import { type AgentProcess, startAgentProcess } from '../harness/agent-process.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { eventually } from '../harness/waiting.ts';
import { ALLOWED, Arena } from './arena.ts';
import { type Federation, openFederation } from './federation.ts';
import { ProbeStream } from './probe-stream.ts';

/**
 * A namespace administrator tries to create a pod without a region every 50 ms, while one part
 * after the other is killed and comes back. The pod is never admitted.
 */

const NAME = 'resilience';
const NAMESPACE = 'governed';
/** Refusals during an outage, at one every 50 ms: 2 s of it. */
const ENOUGH = 40;
const { signal } = new AbortController();

let folder: string;
let arena: Arena;
let federation: Federation;
let agent: AgentProcess | undefined;
let probes: ProbeStream;

const startAgent = async (): Promise<void> => {
  agent = await startAgentProcess(arena.cluster, { folder, env: federation.agentEnvironment });
};

const connected = (): Promise<unknown> =>
  eventually(async () => (await federation.hub.status()).clusters.connected === 1 && (await federation.hub.status()).clusters.proven === 1);

const bothLocks = (): Promise<unknown> =>
  eventually(async () => {
    const { status } = (await arena.admin.get(SOVEREIGN_POLICY_KIND, { namespace: SYSTEM_NAMESPACE, name: NAMESPACE }, signal)) ?? {};
    return status?.phase === 'Active' && status.enforcement?.gatekeeper.state === 'Enforced';
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-resilience-'));
  arena = await Arena.open(NAME, folder, signal);
  await arena.admin.create(NAMESPACE_KIND, { metadata: { name: NAMESPACE } }, {}, signal);
  await arena.letIn('mallory', NAMESPACE);
  await eventually(() => arena.admin.get(SERVICE_ACCOUNT_KIND, { namespace: NAMESPACE, name: 'default' }, signal));
  const files = { [`clusters/${NAME}.yaml`]: clusterFile(NAME, ALLOWED), 'policies/governed.yaml': policyFile(NAMESPACE, ALLOWED) };
  federation = await openFederation(folder, NAME, files);
  federation.startHub();
  await startAgent();
  await connected();
  await bothLocks();
  probes = new ProbeStream(arena.connect(await arena.cluster.createUserKubeconfig('mallory')), NAMESPACE);
  await probes.untilRefused(1);
});

afterAll(async () => {
  await probes?.stop();
  await agent?.stop();
  await federation?.close();
  await arena?.close();
  await rm(folder, { recursive: true, force: true });
});

const pause = (how: 'SIGSTOP' | 'SIGCONT'): void => {
  const record = readState(clusterPaths(folder, NAME))?.processes.gatekeeper;
  if (record === undefined) throw new Error('Gatekeeper does not run');
  process.kill(record.pid, how);
};

const stillShut = async (): Promise<void> => {
  await probes.untilRefused(ENOUGH);
  expect(probes.admitted).toEqual([]);
};

describe('never admitted while', () => {
  it('everything works', stillShut);

  it('Gatekeeper is killed, and comes back', async () => {
    await arena.cluster.stopGatekeeper('SIGKILL');
    await stillShut();
    await arena.cluster.startGatekeeper();
    await stillShut();
  });

  it("Gatekeeper's webhook does not answer, and answers again", async () => {
    pause('SIGSTOP');
    try {
      await stillShut();
    } finally {
      pause('SIGCONT');
    }
    await stillShut();
  });

  it('the agent is killed, and comes back', async () => {
    await agent?.stop('SIGKILL');
    await stillShut();
    await startAgent();
    await stillShut();
  });

  it('the hub is killed, and comes back', async () => {
    await federation.stopHub('SIGKILL');
    await stillShut();
    federation.startHub();
    await connected();
    await stillShut();
  });

  it('the API server is killed, and comes back', async () => {
    await arena.cluster.kill('apiserver');
    await eventually(async () => probes.unanswered > 0);
    await arena.cluster.start('apiserver');
    await stillShut();
    await bothLocks();
  });

  it('all of them are killed, and only the API server comes back', async () => {
    await Promise.all([agent?.stop('SIGKILL'), federation.stopHub('SIGKILL'), arena.cluster.stopGatekeeper('SIGKILL')]);
    await arena.cluster.kill('apiserver');
    await arena.cluster.start('apiserver');
    await stillShut();
    federation.startHub();
    await arena.cluster.startGatekeeper();
    await startAgent();
    await Promise.all([connected(), bothLocks()]);
    await stillShut();
  });
});

it('creates no pod of a probe, and counts every probe', async () => {
  await probes.stop();
  expect(probes.admitted).toEqual([]);
  expect(await arena.admin.list(POD_KIND, { namespace: NAMESPACE }, signal)).toEqual([]);
  console.log(`probes: ${probes.refused} refused, ${probes.unanswered} without an answer of a lock`);
});
