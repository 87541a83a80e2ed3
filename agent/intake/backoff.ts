export interface BackoffOptions {
  readonly baseMs: number;
  readonly capMs: number;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
}

/**
 * Exponential backoff with full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/): agents
 * that lost one hub, or one API server, do not come back at the same moment.
 *
 * @param attempt 0 for the first
 */
export const backoffMs = (attempt: number, { baseMs, capMs, random }: BackoffOptions): number =>
  Math.round(random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30)));
