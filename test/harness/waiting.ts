import { setTimeout as delay } from 'node:timers/promises';

/**
 * Guards against hanging, and says nothing of how fast something is: about ten times what the slowest wait of a test takes on an
 * idle machine, in ms. What a test measures it prints; `npm run bench` is where times are compared.
 */
export const HANG_MS = 180_000;
const POLL_MS = 20;

/** For what takes a signal and is ended by the limit of its test. */
export const never: AbortSignal = new AbortController().signal;

/**
 * Waits until `look` gives a value other than undefined, null and false.
 *
 * @param hangMs a bench, whose work is large, gives more
 * @throws Error with what `look` threw last, or gave
 */
export const eventually = async <T>(look: () => Promise<T> | T, hangMs = HANG_MS): Promise<Exclude<T, undefined | null | false>> => {
  const deadline = performance.now() + hangMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await look();
      if (value !== undefined && value !== null && value !== false) return value as Exclude<T, undefined | null | false>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error(`not within ${hangMs} ms: ${look.toString()}; last: ${String(last)}`);
    await delay(POLL_MS);
  }
};

/** Waits until `check` throws nothing, e.g. until its expectations hold. @returns what it returns @throws what it threw last */
export const waitFor = async <T>(check: () => Promise<T> | T): Promise<T> => {
  const deadline = performance.now() + HANG_MS;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await delay(POLL_MS);
  }
};

/** Prints what a test measured. */
export const printMs = (what: string, ms: number): void => console.log(`${what}: ${Math.round(ms)} ms`);
