import { parseArgs } from 'node:util';
import { FIELD_MANAGERS, REGION_LABEL, type SovereignPolicy } from '@fso/shared/api';
import { type KubeClient, NAMESPACE_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { mapConcurrently } from '@fso/shared/runtime';
import { startAgentProcess } from '../../harness/agent-process.ts';
import { openKubeClient, refusalOf } from '../../harness/kube-client.ts';
import { between, clusterPrograms, readUsage, type Usage } from '../commit/usage.ts';
import { percentile, printRows, seconds, writeFigures } from '../figures.ts';
import { makeNamespaces } from '../namespaces.ts';
import { regionSet } from '../regions.ts';
import { type OneCluster, policySpec, withOneCluster, writePolicies } from './one-cluster.ts';
import { PolicyWatch } from './policy-watch.ts';

const IN_FLIGHT = 32;
const CHANGES = 20;
/** Offset of the region set that a changed policy gets. */
const MOVED = 3;
/** Region in no region set. */
const FORBIDDEN = 'nowhere';
/**
 * Sends the same dry runs as the proofs of both locks: a pod that lock 1 refuses, a binding, and
 * two pods that lock 1 admits and Gatekeeper judges.
 *
 * @param allowed regions that the locks allow in the namespace
 */
const dryRuns = async (client: KubeClient, namespace: string, allowed: readonly string[], signal: AbortSignal): Promise<void> => {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const query = { dryRun: 'All' };
  const containers = [{ name: 'main', image: 'registry.k8s.io/pause:3.10' }];
  for (const region of [FORBIDDEN, allowed[0] ?? '', allowed[0] ?? '']) {
    const spec = { containers, nodeSelector: { [REGION_LABEL]: region } };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'floor', namespace }, spec };
    await refusalOf(client.raw({ method: 'POST', path, query, body: pod }, signal));
  }
  const body = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name: 'floor', namespace },
    target: { apiVersion: 'v1', kind: 'Node', name: 'floor' },
  };
  await refusalOf(client.raw({ method: 'POST', path: `${path}/floor/binding`, query, body }, signal));
};

/**
 * Measures the floor: the same requests for another version of each policy, from a client that
 * never waits between them, 32 policies at a time. The agent's locks judge its pods.
 *
 * @param agentClient client with the rights of the agent
 */
const measureFloor = async ({ world }: OneCluster, agentClient: KubeClient, namespaces: readonly string[]): Promise<void> => {
  const { client, signal } = world;
  const changed = new Set(changedOf(namespaces));
  await mapConcurrently(namespaces, IN_FLIGHT, async (namespace, index) => {
    const { apiVersion, kind, metadata, spec } = await world.applyPolicy(namespace, policySpec(namespace, index + 1));
    await client.apply(
      NAMESPACE_KIND,
      { metadata: { name: namespace, labels: { bench: 'floor' } } },
      { fieldManager: 'bench', force: true },
      signal,
    );
    const { name } = metadata;
    // Costs the same as the write of the finalizer, without blocking deletion.
    await agentClient.mergePatch(
      SOVEREIGN_POLICY_KIND,
      { namespace: 'default', name },
      { metadata: { labels: { bench: 'floor' } } },
      signal,
    );
    await dryRuns(client, namespace, regionSet(changed.has(index) ? index + MOVED : index), signal);
    const body = { apiVersion, kind, metadata: { namespace: 'default', name }, spec, status: { phase: 'Pending', message: 'floor' } };
    await agentClient.apply(
      SOVEREIGN_POLICY_KIND,
      body as SovereignPolicy,
      { fieldManager: FIELD_MANAGERS.status, force: true, subresource: 'status' },
      signal,
    );
  });
};

/** Indexes of the namespaces whose policy changes. */
const changedOf = (namespaces: readonly string[]): readonly number[] =>
  Array.from({ length: CHANGES }, (_item, change) => (change * 37) % namespaces.length);

/**
 * @returns ms from the write of a changed policy until both locks enforce it, for each of several
 */
const changeSome = async ({ world }: OneCluster, namespaces: readonly string[], watch: PolicyWatch): Promise<number[]> => {
  const times: number[] = [];
  for (const index of changedOf(namespaces)) {
    const namespace = namespaces[index] ?? '';
    const begin = performance.now();
    await watch.enforces(await world.applyPolicy(namespace, policySpec(namespace, index + MOVED)));
    times.push(performance.now() - begin);
  }
  return times;
};

interface Result {
  readonly floor: Usage;
  readonly all: Usage;
  readonly changes: readonly number[];
}

/** @returns the usage during the run */
const usageOf = async (usage: () => Promise<Usage>, run: () => Promise<void>): Promise<Usage> => {
  const before = await usage();
  const begin = performance.now();
  await run();
  const at = performance.now() - begin;
  return { ...between(before, await usage()), at };
};

const floorOf = async (one: OneCluster, kubeconfig: string, namespaces: readonly string[]): Promise<Usage> => {
  const { cluster, folder } = one;
  const client = openKubeClient({ kubeconfig });
  try {
    return await usageOf(
      () => readUsage(clusterPrograms(folder, ['bench']), [cluster.kubeconfig]),
      () => measureFloor(one, client, namespaces),
    );
  } finally {
    await client.close();
  }
};

const measure = async (one: OneCluster, policies: number): Promise<Result> => {
  const { world, cluster, folder } = one;
  const namespaces = await makeNamespaces(world, 'bench-', policies);
  const watch = new PolicyWatch(world);
  const agent = await startAgentProcess(cluster, { folder });
  const programs = clusterPrograms(folder, ['bench']);
  const usage = (): Promise<Usage> => readUsage(new Map([['agent', [agent.pid]], ...programs]), [cluster.kubeconfig]);
  try {
    await watch.none();
    const all = await usageOf(usage, async () => {
      await writePolicies(world, namespaces);
      await watch.enforced(policies);
    });
    const changes = await changeSome(one, namespaces, watch);
    watch.close();
    await agent.stop();
    return { floor: await floorOf(one, agent.kubeconfig, namespaces), all, changes };
  } finally {
    watch.close();
    await agent.stop();
  }
};

const usageRows = (policies: number, { all, floor }: Result): Record<string, string> => {
  const requests = [...all.requests]
    .map(([name, count]) => [name, count / policies, (floor.requests.get(name) ?? 0) / policies] as const)
    .filter(([, each, bare]) => Math.max(each, bare) >= 0.05)
    .toSorted(([, a], [, b]) => b - a);
  return {
    ...Object.fromEntries(
      [...all.cpuMs].map(([name, ms]) => [`CPU, ${name} (floor)`, `${seconds(ms)} (${seconds(floor.cpuMs.get(name) ?? 0)})`]),
    ),
    ...Object.fromEntries(
      requests.map(([name, each, bare]) => [`requests for a policy, ${name} (floor)`, `${each.toFixed(2)} (${bare.toFixed(2)})`]),
    ),
  };
};

/**
 * Measures many policies at once in one real cluster, and single changes among them, compared with
 * the same requests from a bare client.
 */
export const bulk = async (args: string[], signal: AbortSignal): Promise<void> => {
  const { values } = parseArgs({ args, options: { policies: { type: 'string', default: '1000' }, json: { type: 'string' } } });
  const policies = Number(values.policies);
  const result = await withOneCluster(signal, (one) => measure(one, policies));
  const { floor, all, changes } = result;
  const rows = {
    'all enforced by both locks': seconds(all.at),
    'floor: the same requests by a bare client': seconds(floor.at),
    'times the floor': (all.at / floor.at).toFixed(2),
    'one change among them, half': seconds(percentile(changes, 0.5)),
    'one change among them, slowest': seconds(Math.max(...changes)),
    ...usageRows(policies, result),
  };
  printRows(`${policies} policies at once in one cluster, ten region sets`, rows);
  await writeFigures(values.json, { policies, rows, changes });
};
