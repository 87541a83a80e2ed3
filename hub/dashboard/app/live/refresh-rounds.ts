import type { Key } from './update-queries.ts';

/** Shortest pause between two rounds. */
const MIN_GAP_MS = 300;
/** Longest pause between two rounds, however slow they are. */
const MAX_GAP_MS = 1000;
/** Delay before the first round, since changes come in groups. */
const GATHER_MS = 30;
/** Time after which the next round no longer waits for a slow one. */
const MAX_ROUND_MS = 5000;

interface RefreshRoundsDeps {
  /** Refetches the queries of the keys. */
  readonly round: (keys: readonly Key[]) => Promise<unknown>;
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

/**
 * Collects stale keys and refetches them in rounds, one at a time. A storm of changes thus costs
 * the hub and the page only a few requests a second, and fewer if responses are slow.
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
      // Each query shows its own failure.
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
