import type { Key } from './update-queries.ts';

/** Least time between two rounds. */
const MIN_GAP_MS = 300;
/** However slow a round was, the next one does not wait longer than this. */
const MAX_GAP_MS = 1000;
/** Wait before the first round, as changes come in groups. */
const GATHER_MS = 30;
/** A round that takes longer goes on beside the next one. */
const MAX_ROUND_MS = 5000;

interface RefreshRoundsDeps {
  /** Reads again what the keys name. */
  readonly round: (keys: readonly Key[]) => Promise<unknown>;
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

/**
 * Gathers what is to be read again and reads it in rounds: one at a time, so that a storm of
 * changes costs the hub and the page no more than a few requests a second, and fewer when answers
 * are slow.
 */
export const createRefreshRounds = ({ round, now, sleep }: RefreshRoundsDeps): ((keys: readonly Key[]) => void) => {
  const pending = new Map<string, Key>();
  let running = false;

  const rounds = async (): Promise<void> => {
    await sleep(GATHER_MS);
    while (pending.size > 0) {
      const taken = [...pending.values()];
      pending.clear();
      const started = now();
      // What could not be read shows that itself.
      await Promise.race([round(taken).catch(() => undefined), sleep(MAX_ROUND_MS)]);
      await sleep(Math.min(MAX_GAP_MS, Math.max(MIN_GAP_MS, now() - started)));
    }
    running = false;
  };

  return (keys) => {
    for (const key of keys) pending.set(JSON.stringify(key), key);
    if (running || pending.size === 0) return;
    running = true;
    void rounds();
  };
};
