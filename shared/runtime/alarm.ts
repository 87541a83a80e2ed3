import type { Clock } from './clock.ts';

/** Waits that a hint ends early. A hint while nobody waits is kept for the next wait. */
export interface Alarm {
  ring(): void;
  /** Returns after `ms`, at once when rung, or when aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export const createAlarm = (clock: Clock): Alarm => {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    ring: () => {
      rung = true;
      wake?.();
    },
    wait: async (ms, signal) => {
      if (!rung) {
        const early = new AbortController();
        wake = () => early.abort();
        await clock.sleep(ms, AbortSignal.any([signal, early.signal])).catch(() => undefined);
        wake = undefined;
      }
      rung = false;
    },
  };
};
