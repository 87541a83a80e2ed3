import type { Clock } from '@fso/shared/runtime';

export interface TokenBucket {
  /** @returns whether there was one left */
  take(): boolean;
}

export interface TokenBucketOptions {
  /** How many may be taken at once. */
  readonly burst: number;
  /** Time in which one comes back. */
  readonly everyMs: number;
}

export const createTokenBucket = (clock: Clock, { burst, everyMs }: TokenBucketOptions): TokenBucket => {
  let tokens = burst;
  let at = clock.monotonicMs();
  return {
    take: () => {
      const now = clock.monotonicMs();
      tokens = Math.min(burst, tokens + (now - at) / everyMs);
      at = now;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
};
