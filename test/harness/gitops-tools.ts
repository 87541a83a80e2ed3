import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import type { KubeObject } from '@fso/shared/api';
import type { ToolModule } from '../../clusters/toolchain/modules.ts';
import { ensureTools } from '../../clusters/toolchain/tools.ts';

const HEALTH_SCRIPT = join(import.meta.dirname, '..', '..', 'deploy', 'argo-cd', 'health.lua');

const GITOPS_STATUS_TOOL: ToolModule = {
  name: 'gitops-status',
  dir: join(import.meta.dirname, 'gitops'),
  upstream: 'sigs.k8s.io/cli-utils',
  package: '.',
  programs: ['gitops-status'],
  sources: ['main.go'],
};

/** Status of an object as third-party tools compute it. */
export interface ToolStatus {
  /** Health in Argo CD, with deploy/argo-cd/health.lua. */
  readonly health: string;
  readonly message: string;
  readonly kstatus: string;
}

/**
 * Runs kstatus, and the health check with Argo CD's interpreter. @throws Error if the script fails
 */
export const judgeStatuses = async (objects: readonly KubeObject[], signal: AbortSignal): Promise<readonly ToolStatus[]> => {
  const modules = [GITOPS_STATUS_TOOL];
  const { [GITOPS_STATUS_TOOL.name]: folder = '' } = await ensureTools({ env: process.env, log: () => undefined, modules }, signal);
  const child = spawn(join(folder, 'gitops-status'), [HEALTH_SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'], signal });
  const ended = once(child, 'close');
  child.stdin.end(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  const answers = (await json(child.stdout)) as ToolStatus[];
  await ended;
  return answers;
};
