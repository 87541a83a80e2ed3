import { parseArgs } from 'node:util';
import { FIELD_MANAGERS, REGION_LABEL, type SovereignPolicy } from '@fso/shared/api';
import { type KubeClient, NAMESPACE_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { mapConcurrently } from '@fso/shared/runtime';
import type { AgentHarness } from '../../harness/agent-harness.ts';
import { startAgentProcess } from '../../harness/agent-process.ts';
import { openKubeClient, refusalOf } from '../../harness/kube-client.ts';
import { eventually } from '../../harness/waiting.ts';
import { percentile, printRows, seconds, writeFigures } from '../figures.ts';
import { cpuMsOf } from '../memory-of.ts';
import { makeNamespaces } from '../namespaces.ts';
import { allActive, type OneCluster, policySpec, withOneCluster, writePolicies } from './one-cluster.ts';

const IN_FLIGHT = 32;
const CHANGES = 20;
/** As many dry runs as the proofs of both locks take: what lock 1 refuses, what both admit, what lock 2 refuses, and a binding. */
const PODS = [0, 1, 2];

const dryRuns = async (client: KubeClient, namespace: string, signal: AbortSignal): Promise<void> => {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const query = { dryRun: 'All' };
  const spec = { containers: [{ name: 'main', image: 'registry.k8s.io/pause:3.10' }], nodeSelector: { [REGION_LABEL]: 'eu-west-1' } };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'floor', namespace }, spec };
  await Promise.all(PODS.map(() => refusalOf(client.raw({ method: 'POST', path, query, body: pod }, signal))));
  const body = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name: 'floor', namespace },
    target: { apiVersion: 'v1', kind: 'Node', name: 'floor' },
  };
  await refusalOf(client.raw({ method: 'POST', path: `${path}/floor/binding`, query, body }, signal));
};

/** The same requests for each policy by a client that waits for nothing, with twice as many in flight as the agent has. @returns ms */
const measureFloor = async (world: AgentHarness, agent: KubeClient, namespaces: readonly string[]): Promise<number> => {
  const begin = performance.now();
  const { client, signal } = world;
  await mapConcurrently(namespaces, IN_FLIGHT, async (namespace, index) => {
    const { apiVersion, kind, metadata, spec } = await world.applyPolicy(namespace, policySpec(namespace, index));
    await client.apply(
      NAMESPACE_KIND,
      { metadata: { name: namespace, labels: { bench: 'floor' } } },
      { fieldManager: 'bench', force: true },
      signal,
    );
    await dryRuns(client, namespace, signal);
    const { name } = metadata;
    const body = { apiVersion, kind, metadata: { namespace: 'default', name }, spec, status: { phase: 'Pending', message: 'floor' } };
    await agent.apply(
      SOVEREIGN_POLICY_KIND,
      body as SovereignPolicy,
      { fieldManager: FIELD_MANAGERS.status, force: true, subresource: 'status' },
      signal,
    );
  });
  return performance.now() - begin;
};

/** @returns ms from the write of a changed policy until both locks enforce it, for each of several */
const changeSome = async ({ world }: OneCluster, namespaces: readonly string[]): Promise<number[]> => {
  const times: number[] = [];
  for (let change = 0; change < CHANGES; change += 1) {
    const index = (change * 37) % namespaces.length;
    const namespace = namespaces[index] ?? '';
    const begin = performance.now();
    await world.applyPolicy(namespace, policySpec(namespace, index + 3));
    await world.reaches(namespace, 'Active');
    times.push(performance.now() - begin);
  }
  return times;
};

interface Result {
  readonly floorMs: number;
  readonly allMs: number;
  readonly cpuMs: number;
  readonly changes: readonly number[];
}

const measure = async (one: OneCluster, policies: number, signal: AbortSignal): Promise<Result> => {
  const { world, cluster, folder } = one;
  const namespaces = await makeNamespaces(world, 'bench-', policies);
  // It installs what the floor's requests meet.
  const installer = await startAgentProcess(cluster, { folder });
  await installer.stop();
  const client = openKubeClient({ kubeconfig: installer.kubeconfig });
  const floorMs = await measureFloor(world, client, namespaces);
  await client.close();
  await mapConcurrently(namespaces, IN_FLIGHT, (name) => world.deletePolicy(name));
  const agent = await startAgentProcess(cluster, { folder });
  try {
    await eventually(async () => (await world.client.list(SOVEREIGN_POLICY_KIND, {}, signal)).length === 0);
    const [begin, cpu] = [performance.now(), cpuMsOf(agent.pid)];
    await writePolicies(world, namespaces);
    await allActive(world, policies);
    const [allMs, cpuMs] = [performance.now() - begin, cpuMsOf(agent.pid) - cpu];
    return { floorMs, allMs, cpuMs, changes: await changeSome(one, namespaces) };
  } finally {
    await agent.stop();
  }
};

/** How long many policies at once take in one real cluster, and one change among them, beside the same requests by a bare client. */
export const bulk = async (args: string[], signal: AbortSignal): Promise<void> => {
  const { values } = parseArgs({ args, options: { policies: { type: 'string', default: '1000' }, json: { type: 'string' } } });
  const policies = Number(values.policies);
  const result = await withOneCluster(signal, (one) => measure(one, policies, signal));
  const { floorMs, allMs, cpuMs, changes } = result;
  const rows = {
    'all enforced by both locks': seconds(allMs),
    'floor: the same requests by a bare client': seconds(floorMs),
    'times the floor': (allMs / floorMs).toFixed(2),
    'CPU of the agent': seconds(cpuMs),
    'one change among them, half': seconds(percentile(changes, 0.5)),
    'one change among them, slowest': seconds(Math.max(...changes)),
  };
  printRows(`${policies} policies at once in one cluster, ten region sets`, rows);
  await writeFigures(values.json, { policies, rows, changes });
};
