/** First and longest wait between attempts, in ms. */
export interface BackoffOptions {
  readonly baseMs: number;
  readonly maxMs: number;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  /** Shortest wait, in ms. Default 0: full jitter. */
  readonly minMs?: number;
}

/** Waits after consecutive failures. */
export interface Backoff {
  /** Returns the next wait, in ms. Each call counts as a failure. */
  next(): number;
  reset(): void;
  readonly failures: number;
}

/**
 * Creates an exponential backoff with full jitter: waits are uniform between `minMs` and `baseMs ·
 * 2ⁿ` (capped), so that clients that failed together do not retry together
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
 */
export const createBackoff = ({ baseMs, maxMs, random, minMs = 0 }: BackoffOptions): Backoff => {
  let failures = 0;
  return {
    next: () => {
      // 2 ** 1024 is Infinity, which the cap covers.
      const ceiling = Math.min(maxMs, baseMs * 2 ** failures);
      failures += 1;
      return minMs + random() * Math.max(0, ceiling - minMs);
    },
    reset: () => {
      failures = 0;
    },
    get failures() {
      return failures;
    },
  };
};
