import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runMark } from './processes.ts';

/** Starts the process that ends the cluster when this one is gone; @returns what tells it that all is ended already. */
export function startGuard(stateDir: string, name: string): () => void {
  const child = spawn(process.execPath, [fileURLToPath(new URL('guard.ts', import.meta.url)), stateDir, name], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: runMark(),
  });
  child.unref();
  // The guard may be killed too; a broken pipe to it must not break this process.
  child.stdin.on('error', () => {});
  (child.stdin as unknown as { unref(): void }).unref();
  return () => child.stdin.end();
}
