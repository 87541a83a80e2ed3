import { setTimeout as delay } from 'node:timers/promises';
import { ProgramEnded } from '../../clusters/demo/programs.ts';

/**
 * Limit that guards against hanging, and does not measure speed: about ten times the slowest wait
 * of a test on an idle machine, in ms. Tests print what they measure; `npm run bench` is where
 * times are compared.
 */
export const HANG_MS = 300_000;

/**
 * The pause between two looks, in ms. It grows: what waits long must take no time from what it
 * waits for.
 */
const PAUSE_MS = { first: 20, growth: 1.2, longest: 200 };

/**
 * Signal that never aborts, for functions that take one and are ended by the limit of their test.
 */
export const never: AbortSignal = new AbortController().signal;

/**
 * Waits until `check` throws nothing, e.g. until its expectations hold. @returns what it returns
 * @throws what it threw last; at once where that is the end of a program that was waited for
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
 * Waits until `look` gives a value other than undefined, null and false.
 *
 * @param hangMs a bench, whose work is large, gives more
 * @throws what `look` threw last, or an Error with what it gave
 */
export const eventually = <T>(look: () => Promise<T> | T, hangMs = HANG_MS): Promise<Exclude<T, undefined | null | false>> =>
  waitFor(async () => {
    const value = await look();
    if (value !== undefined && value !== null && value !== false) return value as Exclude<T, undefined | null | false>;
    throw new Error(`not within ${hangMs} ms: ${look.toString()}; last: ${String(value)}`);
  }, hangMs);

/** Prints what a test measured. */
export const printMs = (what: string, ms: number): void => console.log(`${what}: ${Math.round(ms)} ms`);
