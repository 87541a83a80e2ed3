import { join, resolve } from 'node:path';
import type { Log } from '../toolchain/progress.ts';
import { ensureTools } from '../toolchain/tools.ts';
import { openApi, type SetupApi } from './api.ts';
import type { ToolFolders } from './commands.ts';
import { ensurePki, serverUrl, writeUserKubeconfig } from './pki/pki.ts';
import { claimPorts, type PortClaim } from './ports.ts';
import { apiReady, startAll, startGatekeeper } from './start.ts';
import { type ClusterPaths, type ClusterState, type Component, clusterPaths, makeFolders, readState, writeState } from './state.ts';
import { endCluster, startReaper } from './stop.ts';
import { type Context, Supervisor } from './supervisor.ts';

/** Options of the start of a local cluster. */
export interface LocalClusterOptions {
  readonly name: string;
  /** Parent of the cluster's folder, `<stateDir>/clusters/<name>`. */
  readonly stateDir: string;
  /** Regions of the nodes, with two nodes each. */
  readonly regions: readonly string[];
  readonly gatekeeper: boolean;
  /** Seconds between Gatekeeper's audits. Default 60, like Gatekeeper's own. */
  readonly gatekeeperAuditSeconds?: number;
  /** Additional flags of the API server, e.g. for an audit log. */
  readonly apiServerArgs?: readonly string[];
  /**
   * Lifetime of the cluster. `parent` (default): it ends with this process, however that ends.
   * `detached`: it runs until `fleet down`.
   */
  readonly lifetime?: 'parent' | 'detached';
  /** First of eight consecutive ports; absent to pick free ones. */
  readonly basePort?: number;
  readonly log?: Log;
  /** Folders of the tools; absent for the user's cache, where missing tools are built now. */
  readonly tools?: ToolFolders;
}

/**
 * Returns the state of a cluster that was started before, or of a new one with newly claimed ports.
 */
async function openState(options: LocalClusterOptions, paths: ClusterPaths): Promise<{ state: ClusterState; claim?: PortClaim }> {
  makeFolders(paths);
  const known = readState(paths);
  if (known) return { state: { ...known, gatekeeper: known.gatekeeper || options.gatekeeper } };
  const claim = await claimPorts(options.basePort);
  const state: ClusterState = {
    version: 1,
    name: options.name,
    provider: 'local',
    regions: [...options.regions],
    gatekeeper: options.gatekeeper,
    gatekeeperAuditSeconds: options.gatekeeperAuditSeconds ?? 60,
    ...(options.apiServerArgs === undefined ? {} : { apiServerArgs: [...options.apiServerArgs] }),
    ports: claim.ports,
    processes: {},
  };
  writeState(paths, state);
  return { state, claim };
}

function clusterOf(context: Context, api: SetupApi, started: boolean, release: () => void) {
  const { paths, state, supervisor } = context;
  const kill = (component: Component, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => supervisor.stop(component, signal);
  return {
    name: state.name,
    /** Path of the administrator's kubeconfig. */
    kubeconfig: paths.kubeconfig,
    server: serverUrl(state),
    /** Folder of the cluster's log files. */
    logs: paths.logs,
    /** Whether this call started any process; false if all were running. */
    started,
    /** Installs Gatekeeper if it is missing, and returns once it enforces. */
    startGatekeeper: () => startGatekeeper(context, api),
    /** Stops Gatekeeper. Its webhook configurations stay, as after a crash. */
    stopGatekeeper: (signal: NodeJS.Signals = 'SIGTERM') => kill('gatekeeper', signal),
    restartGatekeeper: async () => {
      await kill('gatekeeper', 'SIGTERM');
      await startGatekeeper(context, api);
    },
    kill,
    /** Starts a component that was killed, and returns when it is ready. */
    start: async (component: Component) => {
      if (component === 'gatekeeper') return startGatekeeper(context, api);
      await supervisor.start(component);
      await apiReady(context, api);
    },
    /** Restarts the API server with these flags instead of `apiServerArgs`. */
    restartApiServer: async (args: readonly string[]) => {
      await kill('apiserver', 'SIGTERM');
      state.apiServerArgs = [...args];
      await supervisor.start('apiserver');
      await apiReady(context, api);
    },
    /**
     * Creates the kubeconfig of a user with a client certificate. Without RBAC the user may do
     * almost nothing.
     */
    createUserKubeconfig: async (user: string, groups: readonly string[] = []) => {
      const file = join(paths.users, `${encodeURIComponent(user)}.kubeconfig`);
      await writeUserKubeconfig(file, paths, state, { commonName: user, organizations: groups });
      return file;
    },
    /** Closes the connections to a detached cluster, which keeps running. */
    detach: () => api.close(),
    /** Ends all processes and waits for them. */
    stop: async () => {
      api.close();
      await endCluster(paths);
      release();
    },
  };
}

/** Running cluster: a real control plane, with nodes simulated by kwok. */
export type LocalCluster = Readonly<ReturnType<typeof clusterOf>>;

/** Starts a cluster, or its missing processes, and returns when all of it is ready. */
export async function startLocalCluster(options: LocalClusterOptions, signal: AbortSignal): Promise<LocalCluster> {
  const log = options.log ?? (() => {});
  const stateDir = resolve(options.stateDir);
  const paths = clusterPaths(stateDir, options.name);
  const tools = options.tools ?? (await ensureTools({ env: process.env, log }, signal));
  const { state, claim } = await openState(options, paths);
  const ended = options.lifetime === 'detached' ? () => {} : startReaper(stateDir, options.name);
  try {
    await ensurePki(paths, state);
    const before = JSON.stringify(state.processes);
    const failed = new AbortController();
    const until = AbortSignal.any([signal, failed.signal]);
    const giveUp = (reason: unknown): void => failed.abort(reason);
    const context = { paths, state, tools, log, giveUp, supervisor: new Supervisor({ paths, state, tools, log }, until) };
    const api = openApi(paths.kubeconfig, { signal: until });
    await startAll(context, api);
    writeState(paths, state);
    return clusterOf(context, api, JSON.stringify(state.processes) !== before, ended);
  } catch (error) {
    // A detached cluster that was running before this call keeps its processes.
    if (claim || options.lifetime !== 'detached') await endCluster(paths);
    ended();
    throw error;
  } finally {
    await claim?.release();
  }
}
