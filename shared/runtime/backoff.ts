/** First and longest wait between attempts, in ms. */
export interface BackoffOptions {
  readonly baseMs: number;
  readonly maxMs: number;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  /** Shortest wait. Default 0: full jitter. */
  readonly minMs?: number;
}

/** Waiting times after failures in a row. */
export interface Backoff {
  /** The next wait; each one counts as a failure. */
  next(): number;
  reset(): void;
  readonly failures: number;
}

/**
 * Exponential with full jitter: uniform between `minMs` and `baseMs · 2ⁿ` (capped), so that many
 * clients that failed together do not come back together
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
 */
export const createBackoff = ({ baseMs, maxMs, random, minMs = 0 }: BackoffOptions): Backoff => {
  let failures = 0;
  return {
    next: () => {
      // 2 ** 1024 is Infinity, which the cap takes care of.
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
