import { mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { FleetCluster } from '../definition.ts';
import { dockerRuns } from '../kind/kind.ts';
import { createKindProvider } from '../kind/provider.ts';
import { startLocalCluster } from '../local/cluster.ts';
import { BLOCK } from '../local/ports.ts';
import { clusterPaths, readAnyState } from '../local/state.ts';
import { removeCluster } from '../local/stop.ts';
import type { PROVIDERS, Provider, ProviderName, UpOptions } from '../provider.ts';
import { CommandError } from '../toolchain/command-error.ts';
import type { Environment } from '../toolchain/go/go.ts';
import { withLock } from '../toolchain/lock.ts';
import type { Log } from '../toolchain/progress.ts';
import { ensureTools, toolsProblem } from '../toolchain/tools.ts';

/** Clusters to start, and what starts them. */
export interface UpFleetOptions extends UpOptions {
  readonly clusters: readonly FleetCluster[];
  readonly provider: (typeof PROVIDERS)[number];
}

/** Cluster that runs, and how to reach it. */
export interface UpCluster {
  readonly name: string;
  readonly kubeconfig: string;
  /** Whether this call started it; false when it was up already. */
  readonly started: boolean;
}

const providerOf = (name: ProviderName, env: Environment): Provider => (name === 'kind' ? createKindProvider(env) : createLocalProvider());

/**
 * Chooses what runs the clusters. `auto`: control planes as processes where their programs are
 * there or can be had; kind where only Docker is there.
 *
 * @throws CommandError that says what is missing where neither can be
 */
export async function chooseProvider(
  options: Pick<UpFleetOptions, 'provider' | 'env' | 'log'>,
  signal: AbortSignal,
): Promise<ProviderName> {
  const { provider, env, log } = options;
  if (provider === 'local') return provider;
  const problem = provider === 'auto' ? await toolsProblem({ env, log }, signal) : undefined;
  if (provider === 'auto' && problem === undefined) return 'local';
  if (!(await dockerRuns(env))) {
    if (problem !== undefined) throw new CommandError(problem);
    throw new CommandError(
      '--provider kind needs a Docker engine, and `docker info` does not get an answer. Start Docker, or use --provider local.',
    );
  }
  if (problem !== undefined) log(`Docker runs, so kind: ${problem}`);
  return 'kind';
}

function lockFile(stateDir: string): string {
  try {
    mkdirSync(stateDir, { recursive: true });
  } catch (error) {
    throw new CommandError(`cannot create ${stateDir}: ${(error as Error).message}; make it writable, or name another with --state-dir`);
  }
  return join(stateDir, 'fleet.lock');
}

const forCluster =
  (log: Log, name: string): Log =>
  (line) =>
    log(`${name}: ${line}`);

/**
 * Starts the clusters at once, or what of them is missing. Those that did start stay up when
 * another fails.
 */
export async function upFleet(options: UpFleetOptions, signal: AbortSignal): Promise<UpCluster[]> {
  const stateDir = resolve(options.stateDir);
  const work = async (): Promise<UpCluster[]> => {
    const name = await chooseProvider(options, signal);
    options.log(`provider ${name}`);
    const provider = providerOf(name, options.env);
    await provider.prepare(options, signal);
    const results = await Promise.allSettled(
      options.clusters.map(async (cluster) => {
        const log = forCluster(options.log, cluster.name);
        const started = await provider.up(cluster, { ...options, stateDir, log }, signal);
        log(started ? 'ready' : 'is up already');
        return { name: cluster.name, kubeconfig: clusterPaths(stateDir, cluster.name).kubeconfig, started };
      }),
    );
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [(result.reason as Error).message] : []));
    signal.throwIfAborted();
    if (failures.length > 0) throw new CommandError(failures.join('\n\n'));
    return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  };
  return withLock(lockFile(stateDir), work, (pid) => options.log(`waiting for process ${pid}, which changes the fleet`), signal);
}

/** Names of the clusters that left something on disk. */
export function knownClusters(stateDir: string): string[] {
  try {
    return readdirSync(join(stateDir, 'clusters')).sort();
  } catch {
    return [];
  }
}

/** Clusters to end, with everything that they left. */
export interface DownFleetOptions {
  readonly stateDir: string;
  /** Absent = every cluster that left something. */
  readonly clusters?: readonly string[];
  readonly env: Environment;
  readonly log: Log;
}

function recordedProvider(stateDir: string, cluster: string): ProviderName {
  try {
    return readAnyState(clusterPaths(stateDir, cluster))?.provider ?? 'local';
  } catch {
    // What cannot be read was cut off while it was written by the local provider; its processes
    // carry a mark.
    return 'local';
  }
}

/** Ends clusters and removes what they left on disk; @returns their names. */
export async function downFleet(options: DownFleetOptions, signal: AbortSignal): Promise<string[]> {
  const stateDir = resolve(options.stateDir);
  const known = knownClusters(stateDir);
  const names = options.clusters ? known.filter((name) => options.clusters?.includes(name)) : known;
  if (names.length === 0) return [];
  const work = async (): Promise<void> => {
    for (const name of names) {
      const provider = providerOf(recordedProvider(stateDir, name), options.env);
      options.log(`${name}: ${await provider.down(name, stateDir, signal)}`);
    }
  };
  await withLock(lockFile(stateDir), work, (pid) => options.log(`waiting for process ${pid}, which changes the fleet`), signal);
  return names;
}

/** Real control planes as processes of this machine. */
function createLocalProvider(): Provider {
  let tools: Readonly<Record<string, string>> | undefined;
  let started = 0;
  return {
    name: 'local',
    prepare: async ({ env, log, status }, signal) => {
      tools = await ensureTools({ env, log, ...(status && { status }) }, signal);
    },
    up: async (cluster, options, signal) => {
      const basePort = options.basePort === undefined ? {} : { basePort: options.basePort + BLOCK * started++ };
      const running = await startLocalCluster(
        { ...options, ...cluster, ...basePort, lifetime: 'detached', ...(tools && { tools }) },
        signal,
      );
      running.detach();
      return running.started;
    },
    down: async (cluster, stateDir) => {
      const ended = await removeCluster(clusterPaths(stateDir, cluster));
      return `${ended} processes ended`;
    },
  };
}
