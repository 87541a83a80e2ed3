import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { endProcesses, findMarked, isAlive, type ProcessRecord, runMark } from '../processes.ts';
import { type ClusterPaths, readState } from './state.ts';

function recorded(paths: ClusterPaths): ProcessRecord[] {
  try {
    return Object.values(readState(paths)?.processes ?? {});
  } catch {
    // Unreadable state: the processes are found by their environment.
    return [];
  }
}

/**
 * Ends every process of a cluster, recorded or not, and returns their number. Uses SIGKILL: no data
 * of a clean exit is needed.
 */
export async function endCluster(paths: ClusterPaths): Promise<number> {
  const found = new Map<number, ProcessRecord>();
  for (const record of [...recorded(paths).filter(isAlive), ...findMarked(paths.dir)]) found.set(record.pid, record);
  await endProcesses([...found.values()], 'SIGKILL');
  return found.size;
}

/** Ends a cluster and removes its files. */
export async function removeCluster(paths: ClusterPaths): Promise<number> {
  const ended = await endCluster(paths);
  rmSync(paths.dir, { recursive: true, force: true });
  return ended;
}

/**
 * Starts the process that ends the cluster once this process has ended. @returns a function that
 * ends that process at once
 */
export function startReaper(stateDir: string, name: string): () => void {
  const child = spawn(process.execPath, [fileURLToPath(new URL('reap-cluster.ts', import.meta.url)), stateDir, name], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: runMark(),
  });
  child.unref();
  // The reaper may be killed too. A broken pipe to it must not affect this process.
  child.stdin.on('error', () => {});
  (child.stdin as unknown as { unref(): void }).unref();
  return () => child.stdin.end();
}
