import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '@fso/shared/text';
import { CommandError } from '../build/command-error.ts';
import type { Log } from '../build/tools.ts';
import { CLUSTER_DIR_VARIABLE, endProcesses, isAlive, runMark, spawnDetached, tail } from '../processes.ts';
import { type CommandContext, commandLine } from './commands.ts';
import { portProblem } from './ports.ts';
import { type ClusterState, COMPONENTS, type Component, writeState } from './state.ts';

const POLL_MS = 100;
/** Guards against hanging alone: ten times what the slowest wait takes on an idle machine. */
const GIVE_UP_MS = 900_000;
/** A kubelet starts a container again without end; who waits here wants to know why it ends. */
const RESTARTS = 3;

/** Starts, watches and ends the processes of one cluster, and keeps the record of them on disk. */
export interface Supervisor {
  /** @returns false when it runs already. */
  start(component: Component): Promise<boolean>;
  stop(component: Component, signal: NodeJS.Signals): Promise<void>;
  running(component: Component): boolean;
  /**
   * Polls until `probe` gives true, for at most 15 minutes. A process that ends meanwhile is started again, as a kubelet would do; the
   * fourth end is an error with the end of its log.
   */
  until(what: string, probe: () => Promise<boolean>): Promise<void>;
}

/** With these, the caller trades memory for processor time: all programs of a cluster are in Go (https://go.dev/doc/gc-guide). */
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

export interface SupervisorOptions extends CommandContext {
  readonly log: Log;
}

export function createSupervisor({ paths, state, tools, log }: SupervisorOptions, signal: AbortSignal): Supervisor {
  const logFile = (component: Component): string => join(paths.logs, `${component}.log`);
  const running = (component: Component): boolean => {
    const record = state.processes[component];
    return record !== undefined && isAlive(record);
  };
  /** Those that were started here: only their end is a surprise. */
  const started = new Set<Component>();
  const restarts = new Map<Component, number>();

  async function restartEnded(): Promise<void> {
    const ended = COMPONENTS.find((component) => started.has(component) && !running(component));
    if (!ended) return;
    const count = (restarts.get(ended) ?? 0) + 1;
    const file = logFile(ended);
    if (count > RESTARTS) {
      throw new CommandError(`${ended} of cluster ${state.name} ended ${count} times while starting. The end of ${file}:\n${tail(file)}`);
    }
    restarts.set(ended, count);
    log(`${ended} ended while starting, see ${file}; it is started again`);
    // Several waits see the same end: the first one acts.
    started.delete(ended);
    await start(ended);
  }

  async function assertPortFree(component: Component): Promise<void> {
    const port = portOf(component, state);
    const problem = port === undefined ? undefined : await portProblem(port);
    if (!problem) return;
    throw new CommandError(
      `${component} of cluster ${state.name} needs port ${port} of 127.0.0.1, which cannot be used (${problem}). ` +
        'End the program that uses it, or start the cluster again on other ports: npm run fleet -- down, then up.',
    );
  }

  async function start(component: Component): Promise<boolean> {
    if (running(component)) return false;
    await assertPortFree(component);
    // What starts after the end would outlive it.
    signal.throwIfAborted();
    const { command, args, env } = commandLine(component, { tools, paths, state });
    // Nothing else of the user's environment: their KUBECONFIG or proxy is not for these.
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
    state.processes[component] = await spawnDetached({ command, args, env: environment, logFile: logFile(component) });
    started.add(component);
    writeState(paths, state);
    return true;
  }

  return {
    running,
    start,
    stop: async (component, how) => {
      const record = state.processes[component];
      started.delete(component);
      if (record) await endProcesses([record], how);
      delete state.processes[component];
      writeState(paths, state);
    },
    until: async (what, probe) => {
      const deadline = performance.now() + GIVE_UP_MS;
      let last = '';
      while (performance.now() < deadline) {
        signal.throwIfAborted();
        await restartEnded();
        try {
          if (await probe()) return;
        } catch (error) {
          last = messageOf(error);
        }
        await delay(POLL_MS, undefined, { signal });
      }
      throw new CommandError(
        `cluster ${state.name}: ${what} not within ${GIVE_UP_MS / 1000} s; last: ${last || 'no'}. Logs are in ${paths.logs}`,
      );
    },
  };
}
