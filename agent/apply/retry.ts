/** How long a failing write waits, by the number of its failures in a row. */
export interface RetryPolicy {
  /** Waits after the first and the second failure. From the third on it is an alert and backs off. */
  readonly firstMs: number;
  readonly secondMs: number;
  readonly capMs: number;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
}

/**
 * 5 s, then 30 s, then exponential with full jitter in its upper half, so that many agents that failed together do not come
 * back together, and none comes back at once.
 */
export const retryDelayMs = (failures: number, policy: RetryPolicy): number => {
  if (failures <= 1) return policy.firstMs;
  if (failures === 2) return policy.secondMs;
  const ceiling = Math.min(policy.capMs, policy.secondMs * 2 ** (failures - 2));
  return ceiling / 2 + policy.random() * (ceiling / 2);
};
