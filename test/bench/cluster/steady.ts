import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type AgentProcess, startAgentProcess } from '../../harness/agent-process.ts';
import { between, clusterPrograms, readUsage } from '../commit/usage.ts';
import { printRows, writeFigures } from '../figures.ts';
import { memoryOf } from '../memory-of.ts';
import { makeNamespaces } from '../namespaces.ts';
import { makePods, type OneCluster, policySpec, withOneCluster } from './one-cluster.ts';
import { enforcePolicies } from './policy-watch.ts';

const MIB = 1024 * 1024;
const LOOK_MS = 5_000;
/** Interval at which one policy changes in a soak. */
const CHURN_MS = 1_000;

interface Settings {
  readonly policies: number;
  readonly pods: number;
  readonly minutes: number;
  readonly churn: boolean;
  readonly env: Readonly<Record<string, string>>;
}

/** Memory in MiB in each fifth of the time. A leak of the agent shows as growth. */
interface Memory {
  readonly rss: readonly number[];
  readonly pss: readonly number[];
}

const rest = async (ms: number, signal: AbortSignal): Promise<void> => {
  await delay(ms, undefined, { signal });
};

const watchMemory = async ({ pid }: AgentProcess, ms: number, signal: AbortSignal): Promise<Memory> => {
  const looks: { rss: number; pss: number }[] = [];
  for (const end = performance.now() + ms; performance.now() < end; ) {
    await rest(Math.min(LOOK_MS, ms), signal);
    const all = memoryOf(pid);
    looks.push({ rss: all.reduce((sum, { rss }) => sum + rss, 0) / MIB, pss: all.reduce((sum, { pss }) => sum + pss, 0) / MIB });
  }
  const fifths = Array.from({ length: 5 }, (_, n) =>
    looks.slice(Math.floor((n * looks.length) / 5), Math.max(1, Math.floor(((n + 1) * looks.length) / 5))),
  );
  const highest = (field: 'rss' | 'pss') => fifths.map((some) => Math.round(Math.max(0, ...some.map((look) => look[field]))));
  return { rss: highest('rss'), pss: highest('pss') };
};

const churn = async ({ world }: OneCluster, namespaces: readonly string[], signal: AbortSignal): Promise<void> => {
  for (let change = 0; !signal.aborted; change += 1) {
    const at = (change * 37) % namespaces.length;
    const namespace = namespaces[at] ?? '';
    await world.applyPolicy(namespace, policySpec(namespace, at + (change % 2) * 3));
    await rest(CHURN_MS, signal);
  }
};

const measure = async (one: OneCluster, settings: Settings, signal: AbortSignal): Promise<Record<string, string>> => {
  const { world, cluster, folder } = one;
  const namespaces = await makeNamespaces(world, 'bench-', settings.policies);
  await makePods(world, namespaces, settings.pods);
  const agent = await startAgentProcess(cluster, { folder, env: settings.env });
  try {
    await enforcePolicies(world, namespaces);
    const programs = new Map([['agent', [agent.pid]], ...clusterPrograms(folder, ['bench'])]);
    const usage = () => readUsage(programs, [cluster.kubeconfig]);
    const stop = new AbortController();
    const changes = settings.churn ? churn(one, namespaces, AbortSignal.any([signal, stop.signal])).catch(() => undefined) : undefined;
    await rest(LOOK_MS, signal);
    const before = await usage();
    const memory = await watchMemory(agent, settings.minutes * 60_000, signal);
    const spent = between(before, await usage());
    stop.abort();
    await changes;
    const share = (ms: number): string => `${((100 * ms) / spent.at).toFixed(2)} % of a core`;
    const minutes = spent.at / 60_000;
    const requests = [...spent.requests].filter(([, count]) => count / minutes >= 1).toSorted(([, a], [, b]) => b - a);
    return {
      'memory of the agent, RSS, in each fifth of the time': `${memory.rss.join(', ')} MiB`,
      'memory of the agent, PSS': `${memory.pss.join(', ')} MiB`,
      ...Object.fromEntries([...spent.cpuMs].map(([name, ms]) => [`CPU, ${name}`, share(ms)])),
      ...Object.fromEntries(requests.map(([name, count]) => [`requests a minute, ${name}`, (count / minutes).toFixed(1)])),
    };
  } finally {
    await agent.stop();
  }
};

const run = async (args: string[], defaults: { minutes: string; churn: boolean }, signal: AbortSignal): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      policies: { type: 'string', default: '1000' },
      pods: { type: 'string', default: '5000' },
      minutes: { type: 'string', default: defaults.minutes },
      env: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
    },
  });
  const settings: Settings = {
    policies: Number(values.policies),
    pods: Number(values.pods),
    minutes: Number(values.minutes),
    churn: defaults.churn,
    env: Object.fromEntries(values.env.map((setting) => setting.split(/=(.*)/s, 2))),
  };
  const rows = await withOneCluster(signal, (one) => measure(one, settings, signal));
  const what = settings.churn ? 'one policy changes each second' : 'nothing changes';
  printRows(`${settings.policies} policies, ${settings.pods} pods, ${settings.minutes} min in which ${what}`, rows);
  await writeFigures(values.json, { settings, rows });
};

/** Measures an agent while nothing changes: memory, CPU, and requests to the API server. */
export const steady = (args: string[], signal: AbortSignal): Promise<void> => run(args, { minutes: '5', churn: false }, signal);

/** Measures the same over an hour in which a policy changes each second. */
export const soak = (args: string[], signal: AbortSignal): Promise<void> => run(args, { minutes: '60', churn: true }, signal);
