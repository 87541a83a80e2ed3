import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runMark } from '../processes.ts';

/** Starts the process that ends the cluster once this one has exited. @returns a function that makes it exit at once */
export function startReaper(stateDir: string, name: string): () => void {
  const child = spawn(process.execPath, [fileURLToPath(new URL('reap-cluster.ts', import.meta.url)), stateDir, name], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: runMark(),
  });
  child.unref();
  // The reaper may be killed too; a broken pipe to it must not break this process.
  child.stdin.on('error', () => {});
  (child.stdin as unknown as { unref(): void }).unref();
  return () => child.stdin.end();
}
