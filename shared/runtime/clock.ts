import { setTimeout as delay } from 'node:timers/promises';

/** Time, injected, so that tests decide it. */
export interface Clock {
  now(): Date;
  /** Milliseconds that never go backwards, for durations. */
  monotonicMs(): number;
  /** Rejects with the signal's reason when aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    try {
      await delay(ms, undefined, { signal });
    } catch (error) {
      // The timer wraps the reason in an AbortError of its own.
      throw signal.aborted ? signal.reason : error;
    }
  },
};
