import type { Clock } from '@fso/shared/runtime';
import { dropOldest } from './drop-oldest.ts';

export interface BucketOptions {
  /** How many may come at once. */
  readonly burst: number;
  readonly perSecond: number;
}

/** Token bucket. @returns whether one more may come now */
export const createBucket = (clock: Clock, { burst, perSecond }: BucketOptions): (() => boolean) => {
  let tokens = burst;
  let at = clock.monotonicMs();
  return () => {
    const now = clock.monotonicMs();
    tokens = Math.min(burst, tokens + ((now - at) / 1000) * perSecond);
    at = now;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
};

export interface RateLimitOptions extends BucketOptions {
  /** Addresses remembered; the one unused for longest goes first. */
  readonly addresses: number;
}

/** A bucket for each address. */
export const createRateLimit = (clock: Clock, options: RateLimitOptions): ((address: string) => boolean) => {
  const buckets = new Map<string, () => boolean>();
  return (address) => {
    const bucket = buckets.get(address) ?? createBucket(clock, options);
    // Deleted first, so that the map's order is the order of last use.
    buckets.delete(address);
    buckets.set(address, bucket);
    dropOldest(buckets, options.addresses);
    return bucket();
  };
};
