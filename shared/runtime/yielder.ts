import { setImmediate } from 'node:timers/promises';

/**
 * For long work on the hub's own thread.
 *
 * @param sliceMs others run about this often
 * @returns to be awaited now and then: it resolves at once, or, when a slice of time is over, after others have run
 */
export const createBreaks = (sliceMs: number): (() => Promise<void>) => {
  let until = performance.now() + sliceMs;
  return async () => {
    if (performance.now() < until) return;
    await setImmediate();
    until = performance.now() + sliceMs;
  };
};
