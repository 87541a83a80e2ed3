import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startLocalCluster } from '@fso/clusters/local';
import { NODE_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { mapConcurrently } from '@fso/shared/runtime';
import type { RunningAgent } from '../../agent/agent.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { eventually } from '../harness/waiting.ts';
import { makeNamespaces } from './namespaces.ts';
import { REGION_SETS, REGIONS, regionSet } from './regions.ts';

/** Number of writes in flight, as in the intake. */
const IN_FLIGHT = 16;
const CHANGES = 10;
const IDLE_ROUNDS = 20;
const PATIENCE_MS = 300_000;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Formats the series of one metric: `Namespace,ok=500 …`. */
const series = async (agent: RunningAgent, name: string): Promise<string> => {
  const text = await (await fetch(`${agent.url}/metrics`)).text();
  const found = [...text.matchAll(new RegExp(`^${name}\\{([^}]*)\\} (\\S+)`, 'gm'))];
  return found
    .map(
      ([, labels = '', value]) =>
        `${[...labels.replace(/cluster="[^"]*",?/, '').matchAll(/"([^"]*)"/g)].map(([, text]) => text).join()}=${value}`,
    )
    .join(' ');
};

/** Number of reconciles so far, and their total time. */
const rounds = async (agent: RunningAgent): Promise<{ count: number; seconds: number }> => {
  const text = await (await fetch(`${agent.url}/metrics`)).text();
  const read = (name: string): number =>
    Number(new RegExp(`^fso_agent_reconcile_duration_seconds_${name}\\{[^}]*result="ok"[^}]*\\} (\\S+)`, 'm').exec(text)?.[1] ?? 0);
  return { count: read('count'), seconds: read('sum') };
};

const averageMs = (before: { count: number; seconds: number }, after: { count: number; seconds: number }): string => {
  const count = after.count - before.count;
  return `${(((after.seconds - before.seconds) * 1000) / Math.max(1, count)).toFixed(1)} ms (${count} rounds)`;
};

interface Scene {
  readonly world: AgentHarness;
  readonly agent: RunningAgent;
  readonly policies: number;
}

const spec = (index: number, list = index) => ({
  targetNamespace: `bench-${index}`,
  allowedRegions: regionSet(list),
});

const provenCount = ({ agent }: Scene): number => [...agent.observatory.snapshot().policies.values()].filter(({ proven }) => proven).length;

/** @returns ms from the first write of a policy until both locks have proven the last one */
const writeAll = async (scene: Scene): Promise<{ writtenMs: number; provenMs: number }> => {
  const started = performance.now();
  await mapConcurrently(Array.from({ length: scene.policies }), IN_FLIGHT, (_item, index) =>
    scene.world.applyPolicy(`bench-${index}`, spec(index)),
  );
  const writtenMs = performance.now() - started;
  await eventually(() => provenCount(scene) === scene.policies, PATIENCE_MS);
  return { writtenMs, provenMs: performance.now() - started };
};

/**
 * @returns ms from the write of a changed policy until both locks have proven it, for each of
 * several
 */
const changeOne = async ({ world, agent, policies }: Scene): Promise<number[]> => {
  const took: number[] = [];
  for (let change = 0; change < CHANGES; change += 1) {
    const index = (change * 37) % policies;
    const started = performance.now();
    const { metadata } = await world.applyPolicy(`bench-${index}`, spec(index, index + 3));
    await eventually(() => {
      const known = agent.observatory.snapshot().policies.get(`default/bench-${index}`);
      return known?.generation === metadata.generation && known?.proven;
    });
    took.push(performance.now() - started);
  }
  return took;
};

/** Measures reconciles without work. A change of an irrelevant node label triggers them. */
const idleRounds = async ({ world, agent }: Scene, signal: AbortSignal): Promise<string> => {
  const [node] = await world.client.list(NODE_KIND, {}, signal);
  const before = await rounds(agent);
  for (let round = 0; round < IDLE_ROUNDS; round += 1) {
    const { count } = await rounds(agent);
    await world.client.mergePatch(NODE_KIND, { name: node?.metadata.name ?? '' }, { metadata: { labels: { bench: `${round}` } } }, signal);
    await eventually(async () => (await rounds(agent)).count > count);
  }
  return averageMs(before, await rounds(agent));
};

const measure = async (scene: Scene, signal: AbortSignal): Promise<void> => {
  const { agent, world, policies } = scene;
  await makeNamespaces(world, 'bench-', policies);
  const start = await rounds(agent);
  const cpuBefore = process.cpuUsage();
  const { writtenMs, provenMs } = await writeAll(scene);
  const proven = await rounds(agent);
  const [writes, probes, cpu] = [
    await series(agent, 'fso_agent_writes_total'),
    await series(agent, 'fso_agent_probes_total'),
    process.cpuUsage(cpuBefore),
  ];
  await eventually(
    async () => (await world.client.list(SOVEREIGN_POLICY_KIND, {}, signal)).every(({ status }) => status?.phase === 'Active'),
    PATIENCE_MS,
  );
  const settled = await rounds(agent);
  const changes = await changeOne(scene);
  const changed = await rounds(agent);
  const rows: Record<string, string> = {
    'policies written after': `${(writtenMs / 1000).toFixed(1)} s`,
    'all proven by both locks after': `${(provenMs / 1000).toFixed(1)} s`,
    'processor time of agent and bench': `${((cpu.user + cpu.system) / 1e6).toFixed(1)} s`,
    'writes of the agent': writes,
    'proofs by result': probes,
    'round while they arrive': averageMs(start, proven),
    'one changed policy proven after': `median ${Math.round(median(changes))} ms (${changes.map(Math.round).join(', ')})`,
    'round around one change': averageMs(settled, changed),
    'round in which nothing changed': await idleRounds(scene, signal),
    'resident memory, with the bench': `${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB`,
  };
  console.log(`\nagent-scale: ${policies} policies, one namespace each, ${REGION_SETS.length} region lists`);
  for (const [what, value] of Object.entries(rows)) console.log(`  ${what.padEnd(34)}${value}`);
};

/** Measures a single agent with many policies on a real control plane with Gatekeeper. */
export const agentScale = async (args: string[], signal: AbortSignal): Promise<void> => {
  const { values } = parseArgs({ args, options: { policies: { type: 'string', default: '500' } } });
  const policies = Number(values.policies);
  const folder = await mkdtemp(join(tmpdir(), 'fso-bench-'));
  const log = (text: string): void => console.error(text);
  const cluster = await startLocalCluster({ name: 'bench', stateDir: folder, regions: REGIONS, gatekeeper: true, log }, signal);
  const world = new AgentHarness(cluster.kubeconfig, signal);
  try {
    const agent = await world.startAgent('bench', { leaderElection: false, leaseDurationMs: 15_000, retryMs: [5_000, 30_000] });
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok, 60_000);
    await eventually(() => agent.observatory.snapshot().cluster.gatekeeper.state === 'Ready', 60_000);
    await measure({ world, agent, policies }, signal);
  } finally {
    await world.close();
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  }
};
