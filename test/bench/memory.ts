import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { createHubProcess, type HubProcess } from '../harness/hub-process.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { startPostgres, type TestPostgres } from '../harness/postgres.ts';
import { createRandom } from '../harness/random.ts';
import { ClusterLife } from '../simulated-fleet/cluster-life.ts';
import { createCommits } from '../simulated-fleet/commits.ts';
import { GEOS } from '../simulated-fleet/geography.ts';
import { SimulatedAgent } from '../simulated-fleet/simulated-agent.ts';
import { type Amount, cpuMsOf, memoryOf, type ProcessMemory } from './memory-of.ts';

const FSO = join(import.meta.dirname, '../../hub/cli/main.ts');
const MIB = 1024 * 1024;
const WARM_UP_SECONDS = 5;

interface Settings {
  readonly database: 'embedded' | 'postgres';
  readonly clusters: number;
  readonly policies: number;
  readonly starts: number;
  /** Time in s for which the hub is idle before it is measured. */
  readonly seconds: number;
  /** Additional environment variables of the hub. */
  readonly env: Readonly<Record<string, string>>;
}

/** Start of the process, until the API answers. */
interface Start {
  readonly ms: number;
  /** CPU time of the hub itself, which depends little on other load. */
  readonly cpuMs: number;
}

interface Result {
  readonly settings: Settings;
  /** Starts, the first with an empty data folder. */
  readonly starts: readonly Start[];
  readonly processes: readonly ProcessMemory[];
  readonly total: Amount;
  /** Highest resident memory of the hub's process, in bytes. */
  readonly peak: number;
  /** V8 heap of the hub's main thread, bytes. */
  readonly heap: { readonly used: number; readonly total: number; readonly external: number };
}

const numbered = (what: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${what}-${n}`);

const readPeak = (pid: number): number => Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;

const readHeap = async (url: string): Promise<Result['heap']> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  const metric = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  return {
    used: metric('nodejs_heap_size_used_bytes'),
    total: metric('nodejs_heap_size_total_bytes'),
    external: metric('nodejs_external_memory_bytes'),
  };
};

const timeStart = async (hub: HubProcess): Promise<Start> => {
  const begin = performance.now();
  await hub.start();
  return { ms: performance.now() - begin, cpuMs: cpuMsOf(hub.pid ?? 0) };
};

const look = async (hub: HubProcess): Promise<Omit<Result, 'settings' | 'starts'>> => {
  const processes = memoryOf(hub.pid ?? 0);
  const sum = (field: keyof Amount): number => processes.reduce((total, process) => total + process[field], 0);
  // After the processes, because the request itself takes memory.
  return { processes, total: { pss: sum('pss'), rss: sum('rss') }, peak: readPeak(hub.pid ?? 0), heap: await readHeap(hub.url) };
};

interface Fleet {
  readonly gitUrl: string;
  readonly tokens: ReadonlyMap<string, string>;
  connect(agentUrl: string): readonly SimulatedAgent[];
  stop(): Promise<void>;
}

/**
 * Opens a repository and simulated clusters: without control planes, but with the agent's own code
 * over the real protocol.
 */
const openFleet = async (folder: string, { clusters, policies }: Settings): Promise<Fleet> => {
  const names = numbered('cluster', clusters);
  const regions = ['eu-west-1', 'eu-central-1'];
  const files = Object.fromEntries([
    ...names.map((name) => [`clusters/${name}.yaml`, clusterFile(name, regions)]),
    ...numbered('policy', policies).map((name) => [`policies/${name}.yaml`, policyFile(name, regions)]),
  ]);
  const git = await startGitServer({ root: join(folder, 'repositories') });
  await git.create('policies.git');
  const repository = await openGitRepository(join(folder, 'work'), git.url('policies.git'));
  const revision = await repository.commit(files, 'first');
  const commits = createCommits();
  commits.add(revision, commits.compile(files));
  const tokens = new Map(names.map((name) => [name, `token-of-${name}-0123456789`]));
  const [geo] = GEOS;
  if (geo === undefined) throw new Error('there is no geography');
  const connect = (agentUrl: string): SimulatedAgent[] =>
    names.map(
      (name, cell) =>
        new SimulatedAgent({
          agentUrl,
          token: tokens.get(name) ?? '',
          life: new ClusterLife({
            cluster: { name, cell, geo, regions },
            trouble: undefined,
            random: createRandom(cell + 1),
            now: new Date(),
          }),
          holds: revision,
          compiled: (commit) => commits.compiled(commit, name),
          refuses: () => undefined,
        }),
    );
  return { gitUrl: git.url('policies.git'), tokens, connect, stop: git.stop };
};

const measureOn = async (folder: string, settings: Settings, postgres: TestPostgres | undefined, signal: AbortSignal): Promise<Result> => {
  const fleet = await openFleet(folder, settings);
  const env = { ...settings.env, ...(postgres && { DATABASE_URL: await postgres.createDatabase() }) };
  const { gitUrl, tokens } = fleet;
  const hub = await createHubProcess({ name: 'hub', folder: join(folder, 'hub'), gitUrl, tokens, env, command: [FSO, 'serve'] });
  let agents: readonly SimulatedAgent[] = [];
  try {
    const starts: Start[] = [];
    for (let start = 1; start <= settings.starts; start += 1) {
      await hub.stop();
      starts.push(await timeStart(hub));
      // The compiled code that a start stores for the next one is written after the hub is ready.
      await delay(WARM_UP_SECONDS * 1000, undefined, { signal });
    }
    agents = fleet.connect(hub.agentUrl);
    await Promise.all(agents.map((agent) => agent.connect()));
    await delay(settings.seconds * 1000, undefined, { signal });
    return { settings, starts, ...(await look(hub)) };
  } finally {
    await Promise.all(agents.map((agent) => agent.disconnect()));
    await hub.stop();
    await fleet.stop();
  }
};

const measure = async (settings: Settings, signal: AbortSignal): Promise<Result> => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-bench-memory-'));
  const postgres = settings.database === 'postgres' ? await startPostgres() : undefined;
  try {
    return await measureOn(folder, settings, postgres, signal);
  } finally {
    await postgres?.stop();
    await rm(folder, { recursive: true, force: true });
  }
};

const mib = (bytes: number): string => (bytes / MIB).toFixed(1).padStart(8);

const rows = (what: string, { pss, rss }: Amount): string => `${mib(pss)} ${mib(rss)}  ${what}`;

const print = ({ settings, starts, processes, total, peak, heap }: Result): void => {
  const lines = [
    `hub with ${settings.database === 'embedded' ? 'its embedded ledger' : 'a PostgreSQL server, which is not counted'}, ` +
      `${settings.clusters} clusters, ${settings.policies} policies, after ${settings.seconds} s of idling`,
    `${'PSS'.padStart(8)} ${'RSS'.padStart(8)}  MiB`,
    rows('all processes', total),
    ...processes.flatMap(({ command, mappings, ...process }) => [
      rows(command.replaceAll(/\S*\//g, ''), process),
      ...Object.entries(mappings).map(([kind, amount]) => rows(`  ${kind}`, amount)),
    ]),
    `${' '.repeat(8)} ${mib(peak)}  peak of the hub's process`,
    `V8 heap: ${mib(heap.used).trim()} MiB used of ${mib(heap.total).trim()}, external ${mib(heap.external).trim()}`,
    ...starts.map(({ ms, cpuMs }, n) => `start ${n + 1}: ready after ${Math.round(ms)} ms, ${cpuMs} ms of them computing`),
  ];
  console.log(lines.join('\n'));
};

/**
 * Measures the memory of a hub that runs like `fso serve`, with simulated agents over the real
 * protocol, once everything is reported and at rest. `--env NODE_OPTIONS=…` tries other settings.
 */
export const memory = async (args: string[], signal: AbortSignal): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      database: { type: 'string', default: 'embedded' },
      clusters: { type: 'string', default: '3' },
      policies: { type: 'string', default: '100' },
      starts: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '60' },
      env: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
    },
  });
  const settings: Settings = {
    database: values.database === 'postgres' ? 'postgres' : 'embedded',
    clusters: Number(values.clusters),
    policies: Number(values.policies),
    starts: Number(values.starts),
    seconds: Number(values.seconds),
    env: Object.fromEntries(values.env.map((setting) => setting.split(/=(.*)/s, 2))),
  };
  const result = await measure(settings, signal);
  print(result);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result, undefined, 2)}\n`);
};
