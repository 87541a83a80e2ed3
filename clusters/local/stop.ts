import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { endProcesses, findMarked, isAlive, type ProcessRecord, runMark } from '../processes.ts';
import { type ClusterPaths, readState } from './state.ts';

function recorded(paths: ClusterPaths): ProcessRecord[] {
  try {
    return Object.values(readState(paths)?.processes ?? {});
  } catch {
    // Not readable: the environment of the processes tells.
    return [];
  }
}

/**
 * Ends every process of a cluster, recorded or not, and returns how many there were. SIGKILL is
 * enough: what they would write at their end is not needed any more.
 */
export async function endCluster(paths: ClusterPaths): Promise<number> {
  const found = new Map<number, ProcessRecord>();
  for (const record of [...recorded(paths).filter(isAlive), ...findMarked(paths.dir)]) found.set(record.pid, record);
  await endProcesses([...found.values()], 'SIGKILL');
  return found.size;
}

/** Ends a cluster and removes all it left on disk. */
export async function removeCluster(paths: ClusterPaths): Promise<number> {
  const ended = await endCluster(paths);
  rmSync(paths.dir, { recursive: true, force: true });
  return ended;
}

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
