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

/** Clusters to start, and their provider. */
export interface UpFleetOptions extends UpOptions {
  readonly clusters: readonly FleetCluster[];
  readonly provider: (typeof PROVIDERS)[number];
}

/** Running cluster, with its kubeconfig. */
export interface UpCluster {
  readonly name: string;
  readonly kubeconfig: string;
  /** Whether this call started it; false if it was already running. */
  readonly started: boolean;
}

const providerOf = (name: ProviderName, env: Environment): Provider => (name === 'kind' ? createKindProvider(env) : createLocalProvider());

/**
 * Chooses the provider of the clusters. With `auto`: local processes if their programs are
 * available or can be installed, else kind if Docker is running.
 *
 * @throws CommandError with the missing requirements if neither is possible
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
 * Starts the clusters in parallel, or their missing parts. If one fails, the others keep running.
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

/** Returns the names of the clusters with state on disk. */
export function knownClusters(stateDir: string): string[] {
  try {
    return readdirSync(join(stateDir, 'clusters')).sort();
  } catch {
    return [];
  }
}

/** Clusters to end and remove. */
export interface DownFleetOptions {
  readonly stateDir: string;
  /** Absent for every cluster with state on disk. */
  readonly clusters?: readonly string[];
  readonly env: Environment;
  readonly log: Log;
}

function recordedProvider(stateDir: string, cluster: string): ProviderName {
  try {
    return readAnyState(clusterPaths(stateDir, cluster))?.provider ?? 'local';
  } catch {
    // An unreadable state was interrupted while the local provider wrote it. Its processes are
    // found by their environment.
    return 'local';
  }
}

/** Ends clusters and removes their files. @returns their names */
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

/** Creates the provider that runs control planes as processes on this machine. */
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
