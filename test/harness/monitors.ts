import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { KubeObject } from '@fso/shared/api';
import type { ToolModule } from '../../clusters/toolchain/modules.ts';
import { ensureTools } from '../../clusters/toolchain/tools.ts';

const MONITORS_TOOL: ToolModule = {
  name: 'monitors',
  dir: join(import.meta.dirname, 'monitors'),
  upstream: 'github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring',
  package: '.',
  programs: ['monitors'],
  sources: ['main.go'],
};

/**
 * @returns a line for each object that does not match the Prometheus Operator's type of its kind
 */
export const findMisfits = async (items: readonly KubeObject[], signal: AbortSignal): Promise<readonly string[]> => {
  const { monitors = '' } = await ensureTools({ env: process.env, log: () => undefined, modules: [MONITORS_TOOL] }, signal);
  const child = spawn(join(monitors, 'monitors'), { stdio: ['pipe', 'pipe', 'inherit'], signal });
  const ended = once(child, 'close');
  child.stdin.end(JSON.stringify({ items }));
  const lines = (await text(child.stdout)).split('\n').filter((line) => line !== '');
  const [code] = (await ended) as [number];
  return code === 0 ? lines : [...lines, `monitors ended with ${code}`];
};
