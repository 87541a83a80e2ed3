/** CPU time that this thread has taken since it started, in milliseconds with fractions. A thread that waits for its turn takes none. */
export const threadCpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
