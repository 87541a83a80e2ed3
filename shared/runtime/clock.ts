/** Time, injected, so that tests decide it. */
export interface Clock {
  now(): Date;
  /** Milliseconds that never go backwards, for durations. */
  monotonicMs(): number;
  /** Rejects with the signal's reason when aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  // Not by node:timers/promises, which makes an error with a stack for each sleep that is cut
  // short: a hub does that for each frame.
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

/** Longest wait of a timer of Node.js, in milliseconds: a longer one goes off at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/**
 * Reason for the end of a wait that another one has outrun. Made once: an abort without a reason
 * makes an error with a stack each time.
 */
export const WAIT_OVERTAKEN: Error = new Error('the wait is over');

/**
 * A timer that goes off so late is that of a busy process: what others sent meanwhile may still lie
 * unread.
 */
const LATE_MS = 1_000;

/**
 * Waits a number of milliseconds, and once more where this process was too busy meanwhile to read
 * what came. @throws the signal's reason
 */
export const waitPatiently = async (clock: Clock, ms: number, signal: AbortSignal): Promise<void> => {
  const due = clock.monotonicMs() + ms;
  await clock.sleep(ms, signal);
  if (clock.monotonicMs() - due >= LATE_MS) await clock.sleep(ms, signal);
};

/**
 * Repeated work takes a tenth of the time at most: it rests for this many times as long as it took.
 */
const REST_FACTOR = 10;

/** Milliseconds for which repeated work rests after it took a number of them. */
export const restAfter = (tookMs: number, { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number }): number =>
  Math.max(minMs, Math.min(maxMs, REST_FACTOR * tookMs));

/**
 * Waits for a promise for a bounded time.
 *
 * @returns what comes within a number of milliseconds; undefined: nothing did, or the signal
 * aborted before.
 * @throws what the promise throws meanwhile
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
