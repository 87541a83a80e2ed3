import type { Clock } from '@fso/shared/runtime';
import { dropOldest } from '../drop-oldest.ts';

export interface RateLimitOptions {
  /** Requests that may come at once. */
  readonly burst: number;
  readonly perSecond: number;
  /** Addresses remembered; the one unused for longest goes first. */
  readonly addresses: number;
}

/** Token bucket per address. */
export const createRateLimit = (clock: Clock, { burst, perSecond, addresses }: RateLimitOptions): ((address: string) => boolean) => {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return (address) => {
    const now = clock.monotonicMs();
    const bucket = buckets.get(address) ?? { tokens: burst, at: now };
    const tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond);
    const allowed = tokens >= 1;
    // Deleted first, so that the map's order is the order of last use.
    buckets.delete(address);
    buckets.set(address, { tokens: allowed ? tokens - 1 : tokens, at: now });
    dropOldest(buckets, addresses);
    return allowed;
  };
};
