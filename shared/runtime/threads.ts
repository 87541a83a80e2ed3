import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename } from 'node:path';

/**
 * CPU time that this thread has taken since it started, in milliseconds with fractions. A thread
 * that waits for its turn takes none.
 */
export const threadCpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

/** Whether an error ended a worker thread because its heap was full. */
export const isWorkerOutOfMemory = (error: unknown): boolean => Reflect.get(Object(error), 'code') === 'ERR_WORKER_OUT_OF_MEMORY';

/**
 * Gives this worker thread the lowest priority of the processor, for work that nobody's enforcement
 * waits for: it then runs in the time that the other threads leave. Only Linux has priorities of
 * threads; elsewhere, and where it is forbidden, the thread keeps its own.
 */
export const lowerThreadPriority = (): void => {
  try {
    // The link is read by this thread itself, and ends with its id.
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), constants.priority.PRIORITY_LOW);
  } catch {
    // It then shares the processor evenly.
  }
};
