import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { KubeObject } from '@fso/shared/api';
import { KUBECTL_TOOL, type ToolModule } from '../../clusters/build/modules.ts';
import { ensureTools } from '../../clusters/build/tools.ts';
import type { ClusterHarness } from './cluster-harness.ts';

/** The repository, from which the commands of its documentation run. */
const ROOT = join(import.meta.dirname, '..', '..');
const HEALTH_SCRIPT = join(ROOT, 'deploy', 'argo-cd', 'health.lua');

const GITOPS_STATUS_TOOL: ToolModule = {
  name: 'gitops-status',
  dir: join(import.meta.dirname, 'gitops'),
  upstream: 'sigs.k8s.io/cli-utils',
  package: '.',
  programs: ['gitops-status'],
  sources: ['main.go'],
  files: {},
  linkerFlags: () => [],
};

const programOf = async (tool: ToolModule, signal: AbortSignal): Promise<string> => {
  const { [tool.name]: folder = '' } = await ensureTools({ env: process.env, log: () => undefined, modules: [tool] }, signal);
  return join(folder, tool.programs[0] ?? '');
};

/** What tools of others make of an object's status. */
export interface ToolStatus {
  /** Argo CD, with deploy/argo-cd/health.lua. */
  readonly health: string;
  readonly message: string;
  readonly kstatus: string;
}

/** Asks kstatus, and runs the health check with the interpreter of Argo CD. @throws Error where the script fails */
export const judgeStatuses = async (objects: readonly KubeObject[], signal: AbortSignal): Promise<readonly ToolStatus[]> => {
  const child = spawn(await programOf(GITOPS_STATUS_TOOL, signal), [HEALTH_SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'], signal });
  const ended = once(child, 'close');
  child.stdin.end(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  const answers = (await json(child.stdout)) as ToolStatus[];
  await ended;
  return answers;
};

/** Runs commands as people type them, in a shell where PATH has kubectl, and in the root of the repository. */
export class Shell {
  readonly #env: NodeJS.ProcessEnv;
  readonly #signal: AbortSignal;

  private constructor(env: NodeJS.ProcessEnv, signal: AbortSignal) {
    this.#env = env;
    this.#signal = signal;
  }

  /** @param signal ends what still runs */
  /** @param cluster whose administrator types; its folder is the home */
  static async open(cluster: Pick<ClusterHarness, 'kubeconfig' | 'folder'>, signal: AbortSignal): Promise<Shell> {
    const kubectl = await programOf(KUBECTL_TOOL, signal);
    const env = { PATH: `${join(kubectl, '..')}:${process.env['PATH']}`, HOME: cluster.folder, KUBECONFIG: cluster.kubeconfig };
    return new Shell(env, signal);
  }

  /** @returns standard output @throws Error with what the commands said */
  async run(commands: string): Promise<string> {
    const options = { cwd: ROOT, env: this.#env, signal: this.#signal, maxBuffer: 16 * 1024 ** 2 };
    return (await promisify(execFile)('sh', ['-ec', commands], options)).stdout;
  }
}
