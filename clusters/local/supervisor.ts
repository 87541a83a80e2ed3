import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '@fso/shared/text';
import { CLUSTER_DIR_VARIABLE, endProcesses, isAlive, runMark, spawnDetached, tail } from '../processes.ts';
import { CommandError } from '../toolchain/command-error.ts';
import type { Log } from '../toolchain/progress.ts';
import { type CommandContext, commandLine, type ToolFolders } from './commands.ts';
import { portProblem } from './ports.ts';
import { type ClusterPaths, type ClusterState, COMPONENTS, type Component, writeState } from './state.ts';

const POLL_MS = 100;
/** Timeout that only guards against hanging: ten times the slowest wait on an idle machine. */
const GIVE_UP_MS = 900_000;
/**
 * Most restarts of a process while waiting. A kubelet restarts without limit, but a waiting caller
 * needs the reason of the failure.
 */
const RESTARTS = 3;

/**
 * Variables that trade memory for processor time in Go programs, as all programs of a cluster are
 * (https://go.dev/doc/gc-guide).
 */
const COLLECTOR_VARIABLES = ['GOGC', 'GOMEMLIMIT'];

const collectorSettings = (): Record<string, string> =>
  Object.fromEntries(COLLECTOR_VARIABLES.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));

function portOf(component: Component, state: ClusterState): number | undefined {
  switch (component) {
    case 'etcd':
      return state.ports.etcd;
    case 'apiserver':
      return state.ports.apiServer;
    case 'gatekeeper':
      return state.ports.webhook;
    case 'controller-manager':
    case 'scheduler':
    case 'kwok':
      return undefined;
  }
}

/** Cluster to supervise, and the log of its processes. */
export interface SupervisorOptions extends CommandContext {
  readonly log: Log;
}

/** Starts, watches and ends the processes of one cluster, and records them on disk. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #signal: AbortSignal;
  /** Processes that were started here. Only their end is unexpected. */
  readonly #started = new Set<Component>();
  readonly #restarts = new Map<Component, number>();

  constructor(options: SupervisorOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  running(component: Component): boolean {
    const record = this.#options.state.processes[component];
    return record !== undefined && isAlive(record);
  }

  /** @returns false if it is already running */
  async start(component: Component): Promise<boolean> {
    const { paths, state, tools } = this.#options;
    if (this.running(component)) return false;
    await this.#assertPortFree(component);
    // A process that starts after the end of the cluster would outlive it.
    this.#signal.throwIfAborted();
    const { command, args, env } = commandLine(component, { tools, paths, state });
    // No other variables of the user, such as KUBECONFIG or a proxy.
    const environment = {
      ...collectorSettings(),
      PATH: '/usr/bin:/bin',
      HOME: paths.data,
      TMPDIR: paths.data,
      [CLUSTER_DIR_VARIABLE]: paths.dir,
      ...runMark(),
      ...env,
    };
    writeState(paths, state);
    state.processes[component] = await spawnDetached({ command, args, env: environment, logFile: this.#logFile(component) });
    this.#started.add(component);
    writeState(paths, state);
    return true;
  }

  async stop(component: Component, how: NodeJS.Signals): Promise<void> {
    const { paths, state } = this.#options;
    const record = state.processes[component];
    this.#started.delete(component);
    if (record) await endProcesses([record], how);
    delete state.processes[component];
    writeState(paths, state);
  }

  /**
   * Polls until `probe` returns true, for at most 15 minutes. Restarts a process that ends
   * meanwhile, like a kubelet. The fourth end is an error with the end of its log.
   */
  async until(what: string, probe: () => Promise<boolean>): Promise<void> {
    const { paths, state } = this.#options;
    const deadline = performance.now() + GIVE_UP_MS;
    let last = '';
    while (performance.now() < deadline) {
      this.#signal.throwIfAborted();
      await this.#restartEnded();
      try {
        if (await probe()) return;
      } catch (error) {
        last = messageOf(error);
      }
      await delay(POLL_MS, undefined, { signal: this.#signal });
    }
    throw new CommandError(
      `cluster ${state.name}: ${what} not within ${GIVE_UP_MS / 1000} s; last: ${last || 'no'}. Logs are in ${paths.logs}`,
    );
  }

  #logFile(component: Component): string {
    return join(this.#options.paths.logs, `${component}.log`);
  }

  async #restartEnded(): Promise<void> {
    const { state, log } = this.#options;
    const ended = COMPONENTS.find((component) => this.#started.has(component) && !this.running(component));
    if (!ended) return;
    const count = (this.#restarts.get(ended) ?? 0) + 1;
    const file = this.#logFile(ended);
    if (count > RESTARTS) {
      throw new CommandError(`${ended} of cluster ${state.name} ended ${count} times while starting. The end of ${file}:\n${tail(file)}`);
    }
    this.#restarts.set(ended, count);
    log(`${ended} ended while starting, see ${file}; it is started again`);
    // Several waits can see the same end, and only the first one restarts.
    this.#started.delete(ended);
    await this.start(ended);
  }

  async #assertPortFree(component: Component): Promise<void> {
    const { state } = this.#options;
    const port = portOf(component, state);
    const problem = port === undefined ? undefined : await portProblem(port);
    if (!problem) return;
    throw new CommandError(
      `${component} of cluster ${state.name} needs port ${port} of 127.0.0.1, which cannot be used (${problem}). ` +
        'End the program that uses it, or start the cluster again on other ports: npm run fleet -- down, then up.',
    );
  }
}

/** Context of the steps that start a cluster. */
export interface Context {
  readonly paths: ClusterPaths;
  readonly state: ClusterState;
  readonly tools: ToolFolders;
  readonly supervisor: Supervisor;
  readonly log: Log;
  /** Aborts the remaining steps of the start. */
  readonly giveUp: (reason: unknown) => void;
}
