/** Too many wait already. */
export class BusyError extends Error {
  override readonly name = 'BusyError';
}

/**
 * Runs one piece of work at a time, each after the one before, however that ended.
 *
 * @param maxWaiting beyond these, and the one that runs, nothing more is taken
 * @returns throws BusyError, or the signal's reason where nobody waits any more when the turn comes
 */
export const createTurns = (maxWaiting = Number.POSITIVE_INFINITY): (<T>(work: () => Promise<T>, signal?: AbortSignal) => Promise<T>) => {
  let taken = 0;
  let last: Promise<unknown> = Promise.resolve();
  return (work, signal) => {
    if (taken > maxWaiting) return Promise.reject(new BusyError('too many wait already'));
    taken += 1;
    const done = last.then(() => {
      signal?.throwIfAborted();
      return work();
    });
    last = done
      .catch(() => undefined)
      .finally(() => {
        taken -= 1;
      });
    return done;
  };
};
