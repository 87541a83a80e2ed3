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
