import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { writeAgentKubeconfig } from '../../clusters/demo/agent-identity.ts';
import { type Program, startProgram } from '../../clusters/demo/programs.ts';
import { freePort } from '../../clusters/local/ports.ts';
import { tail } from '../../clusters/processes.ts';
import { eventually } from './waiting.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', 'agent', 'main.ts');

/**
 * Agent as in a real cluster: a separate process, with its service account and the rights of
 * deploy/agent/rbac.yaml.
 */
export interface AgentProcess {
  /** URL of its listener with /healthz, /readyz and /metrics. */
  readonly url: string;
  readonly pid: number;
  /** Kubeconfig of its service account. */
  readonly kubeconfig: string;
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** @throws Error with the end of the log if it has ended */
  assertRunning(): void;
  /** Returns the end of the log, for the message of a failed wait. */
  log(): string;
}

export interface AgentProcessOptions {
  /** Folder for its kubeconfig and its log. */
  readonly folder: string;
  /** Main module; default: that of this repository. */
  readonly program?: string;
  /** Additional settings, e.g. those of a hub. */
  readonly env?: Readonly<Record<string, string>>;
  /** Probe to wait for: /readyz, or /healthz for an agent that cannot become ready yet. */
  readonly until?: 'ready' | 'alive';
}

/** Starts an agent and returns once it is ready, after its first reconcile. */
export const startAgentProcess = async (
  cluster: LocalCluster,
  { folder, program: main = PROGRAM, env = {}, until = 'ready' }: AgentProcessOptions,
): Promise<AgentProcess> => {
  const kubeconfig = join(folder, `agent-${cluster.name}.kubeconfig`);
  await writeAgentKubeconfig(cluster.kubeconfig, kubeconfig);
  const port = await freePort();
  const logFile = join(folder, `agent-${cluster.name}.log`);
  const program: Program = startProgram({
    name: `agent-${cluster.name}`,
    command: [main],
    // The lease of a killed agent must not delay the next one for long.
    env: { FSO_CLUSTER: cluster.name, KUBECONFIG: kubeconfig, FSO_LISTEN: `127.0.0.1:${port}`, FSO_LEASE_DURATION_MS: '8000', ...env },
    logFile,
  });
  const url = `http://127.0.0.1:${port}`;
  try {
    await eventually(async () => {
      program.assertRunning();
      return (await fetch(`${url}${until === 'ready' ? '/readyz' : '/healthz'}`)).ok;
    });
  } catch (error) {
    await program.stop('SIGKILL');
    throw error;
  }
  const { pid, assertRunning } = program;
  return { url, pid, kubeconfig, assertRunning, log: () => tail(logFile), stop: (signal) => program.stop(signal) };
};
