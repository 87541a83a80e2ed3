import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename } from 'node:path';

/** CPU time of this thread since its start, in milliseconds with fractions. Waiting takes none. */
export const threadCpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

/** Whether an error ended a worker thread because its heap was exhausted. */
export const isWorkerOutOfMemory = (error: unknown): boolean => Reflect.get(Object(error), 'code') === 'ERR_WORKER_OUT_OF_MEMORY';

/**
 * Gives this worker thread the lowest scheduling priority, for work that enforcement never waits
 * for. Only Linux has a priority per thread; on other systems this does nothing.
 */
export const lowerThreadPriority = (): void => {
  try {
    // The kernel resolves the link for the thread that reads it; it ends with the thread id.
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), constants.priority.PRIORITY_LOW);
  } catch {
    // Not Linux, or forbidden: the thread keeps its priority.
  }
};
