/** Time source, injected so that tests control it. */
export interface Clock {
  now(): Date;
  /** Returns milliseconds that never go backwards, for durations. */
  monotonicMs(): number;
  /** Rejects with the signal's reason if aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** Clock of the machine. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  // Does not use node:timers/promises, which creates an error with a stack for each aborted sleep:
  // a hub aborts one for each frame.
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const abort = (): void => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', abort);
        resolve();
      }, ms);
      signal.addEventListener('abort', abort, { once: true });
    }),
};

/** Longest wait of a timer of Node.js, in milliseconds. A longer one fires at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/**
 * Abort reason of a wait that is no longer needed. A constant, because an abort without a reason
 * creates an error with a stack each time.
 */
export const WAIT_OVERTAKEN: Error = new Error('the wait is over');

/**
 * Lateness of a timer that shows a busy process, in ms. Data that arrived meanwhile may still be
 * unread.
 */
const LATE_MS = 1_000;

/**
 * Waits a number of milliseconds, and once more if this process was too busy to read what arrived.
 *
 * @throws the signal's reason
 */
export const waitPatiently = async (clock: Clock, ms: number, signal: AbortSignal): Promise<void> => {
  const due = clock.monotonicMs() + ms;
  await clock.sleep(ms, signal);
  if (clock.monotonicMs() - due >= LATE_MS) await clock.sleep(ms, signal);
};

/**
 * Pause of repeated work as a multiple of its duration, so that it takes at most a tenth of the
 * time.
 */
const REST_FACTOR = 10;

/** Computes the pause of repeated work after a run, in ms. */
export const restAfter = (tookMs: number, { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number }): number =>
  Math.max(minMs, Math.min(maxMs, REST_FACTOR * tookMs));

/**
 * Waits for a promise for a limited time.
 *
 * @returns the value; undefined if it did not arrive within `ms`, or the signal aborted before
 * @throws the rejection of the promise, if it happens in time
 */
export const answerWithin = async <T>(coming: Promise<T>, ms: number, clock: Clock, signal?: AbortSignal): Promise<T | undefined> => {
  const over = new AbortController();
  const until = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
  const silence = clock.sleep(ms, until).then(
    () => undefined,
    () => undefined,
  );
  try {
    return await Promise.race([coming, silence]);
  } finally {
    over.abort(WAIT_OVERTAKEN);
  }
};
