import { setTimeout as delay } from 'node:timers/promises';
import { ProgramEnded } from '../../clusters/demo/programs.ts';

/**
 * Timeout in ms that only guards against hanging: about ten times the slowest wait of a test on an
 * idle machine. Tests print what they measure; times are compared by `npm run bench`.
 */
export const HANG_MS = 300_000;

/**
 * Pause between two checks, in ms. It grows, so that a long wait does not slow down what it waits
 * for.
 */
const PAUSE_MS = { first: 20, growth: 1.2, longest: 200 };

/** Signal that never aborts, for functions that the timeout of their test ends. */
export const never: AbortSignal = new AbortController().signal;

/**
 * Waits until `check` does not throw, e.g. until its expectations hold.
 *
 * @returns result of `check`
 * @throws last error of `check`; at once if a program that was waited for has ended
 */
export const waitFor = async <T>(check: () => Promise<T> | T, hangMs = HANG_MS): Promise<T> => {
  const deadline = performance.now() + hangMs;
  for (let pause = PAUSE_MS.first; ; pause = Math.min(pause * PAUSE_MS.growth, PAUSE_MS.longest)) {
    try {
      return await check();
    } catch (error) {
      if (error instanceof ProgramEnded || performance.now() > deadline) throw error;
    }
    await delay(pause);
  }
};

/**
 * Waits until `look` returns a value other than undefined, null and false.
 *
 * @param hangMs timeout; benchmarks with much work set a longer one
 * @throws last error of `look`, or an Error with its last value
 */
export const eventually = <T>(look: () => Promise<T> | T, hangMs = HANG_MS): Promise<Exclude<T, undefined | null | false>> =>
  waitFor(async () => {
    const value = await look();
    if (value !== undefined && value !== null && value !== false) return value as Exclude<T, undefined | null | false>;
    throw new Error(`not within ${hangMs} ms: ${look.toString()}; last: ${String(value)}`);
  }, hangMs);

/** Prints what a test measured. */
export const printMs = (what: string, ms: number): void => console.log(`${what}: ${Math.round(ms)} ms`);
