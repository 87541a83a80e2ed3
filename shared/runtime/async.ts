/** Resolves when the signal aborts. */
export const untilAborted = (signal: AbortSignal): Promise<void> =>
  signal.aborted ? Promise.resolve() : new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

/** @returns whether the work ended within `ms`; it goes on where it did not. A failure is an end, and is thrown. */
export const settlesWithin = async (work: Promise<unknown>, ms: number): Promise<boolean> => {
  const late = Promise.withResolvers<false>();
  const timer = setTimeout(late.resolve, ms, false);
  try {
    return await Promise.race([work.then(() => true), late.promise]);
  } finally {
    clearTimeout(timer);
  }
};

/**
 * Makes a function of which one run is active at a time and at most one more waits: calls during a run share the next one,
 * which starts after it, so every caller gets a run that began after its call.
 */
export const coalesce = (run: () => Promise<void>): (() => Promise<void>) => {
  let active: Promise<void> | undefined;
  let waiting: Promise<void> | undefined;
  const start = (): Promise<void> => {
    const current = run().finally(() => {
      if (active === current) active = undefined;
    });
    active = current;
    return current;
  };
  const startNext = (): Promise<void> => {
    waiting = undefined;
    return start();
  };
  return () => {
    if (waiting !== undefined) return waiting;
    if (active === undefined) return start();
    waiting = active.then(startNext, startNext);
    return waiting;
  };
};

/**
 * Maps with at most `limit` calls at a time; results in the order of the items.
 * The first failure stops further calls, waits for those in flight, and is thrown.
 */
export const mapLimit = async <T, R>(items: readonly T[], limit: number, run: (item: T, index: number) => Promise<R>): Promise<R[]> => {
  const results: R[] = [];
  const entries = items.entries();
  let failure: { error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (const [index, item] of entries) {
      try {
        results[index] = await run(item, index);
      } catch (error) {
        failure ??= { error };
      }
      if (failure !== undefined) return;
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(limit, items.length)) }, worker));
  if (failure !== undefined) throw failure.error;
  return results;
};

/**
 * Aborts at SIGTERM or SIGINT. A second one ends the process at once, for people who do not want to wait.
 * @param target the process; given by tests.
 */
export const shutdownSignal = (target: Pick<NodeJS.Process, 'on' | 'exit'> = process): AbortSignal => {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) target.exit(name === 'SIGINT' ? 130 : 143);
    controller.abort(new Error(`received ${name}`));
  };
  target.on('SIGTERM', stop);
  target.on('SIGINT', stop);
  return controller.signal;
};
