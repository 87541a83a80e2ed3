import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { startTimeOf } from '../processes.ts';

const POLL_MS = 200;

/** @returns undefined when the lock no longer exists */
function holderOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function isHeld(holder: string): boolean {
  const [pid = '', startTime = ''] = holder.split('\n');
  return startTimeOf(Number(pid)) === startTime;
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/**
 * Tries to take the lock. A hard link is created atomically and never replaces a file, so the first
 * process to link holds the lock.
 */
function tryLink(candidate: string, file: string): boolean {
  try {
    linkSync(candidate, file);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Removes the lock of a process that ended; restores it when another process had taken it over in
 * between.
 */
function removeStale(file: string, stale: string): void {
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  if (holderOf(aside) !== stale) tryLink(aside, file);
  rmSync(aside, { force: true });
}

interface LockRequest {
  readonly candidate: string;
  readonly file: string;
  readonly onWait: (pid: string) => void;
}

async function acquire({ candidate, file, onWait }: LockRequest, signal: AbortSignal): Promise<void> {
  let isReported = false;
  while (!tryLink(candidate, file)) {
    signal.throwIfAborted();
    const holder = holderOf(file);
    if (holder === undefined) continue;
    if (!isHeld(holder)) {
      removeStale(file, holder);
      continue;
    }
    if (!isReported) onWait(holder.split('\n')[0] ?? '');
    isReported = true;
    await delay(POLL_MS, undefined, { signal });
  }
}

/**
 * Runs `work` while no other process on this machine holds the same lock file. It takes over the
 * lock of a process that ended, and calls `onWait` once, with the pid of the holder.
 */
export async function withLock<T>(file: string, work: () => Promise<T>, onWait: (pid: string) => void, signal: AbortSignal): Promise<T> {
  const candidate = `${file}.${process.pid}.${performance.now()}`;
  writeFileSync(candidate, `${process.pid}\n${startTimeOf(process.pid) ?? ''}`);
  try {
    await acquire({ candidate, file, onWait }, signal);
  } finally {
    rmSync(candidate, { force: true });
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}
