import { setImmediate } from 'node:timers/promises';

/** Error for a caller that would have to wait behind too many others. */
export class BusyError extends Error {
  override readonly name = 'BusyError';
}

/** Runs one piece of work at a time, in order. A failure does not affect the next one. */
export class Mutex {
  readonly #maxWaiting: number;
  #taken = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** @param maxWaiting most callers that may wait behind the running one */
  constructor(maxWaiting: number = Number.POSITIVE_INFINITY) {
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Runs work when its turn comes.
   *
   * @returns result of the work
   * @throws BusyError if too many wait; the signal's reason if it aborts before the work starts
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#taken > this.#maxWaiting) return Promise.reject(new BusyError('too many wait already'));
    this.#taken += 1;
    const done = this.#last.then(() => {
      signal?.throwIfAborted();
      return work();
    });
    this.#last = done
      .catch(() => undefined)
      .finally(() => {
        this.#taken -= 1;
      });
    return done;
  }
}

/**
 * Wraps a function so that one run is active at a time and at most one more waits. Calls during a
 * run share the next run, so that every caller gets a run that started after its call.
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
 * Maps with at most `limit` concurrent calls. Results are in the order of the items.
 * The first failure stops further calls, waits for those in flight, and is thrown.
 */
export const mapConcurrently = async <T, R>(
  items: readonly T[],
  limit: number,
  run: (item: T, index: number) => Promise<R>,
): Promise<R[]> => {
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
 * Splits long work on a shared thread.
 *
 * @param sliceMs time for which the work may occupy the thread, in milliseconds
 * @returns function to await regularly: it resolves at once, or, at the end of a slice, after other
 * work has run
 */
export const createYielder = (sliceMs: number): (() => Promise<void>) => {
  let until = performance.now() + sliceMs;
  return async () => {
    if (performance.now() < until) return;
    await setImmediate();
    until = performance.now() + sliceMs;
  };
};
