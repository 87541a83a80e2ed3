import type { Clock } from '@fso/shared/runtime';
import { dropOldest } from './drop-oldest.ts';

export interface BucketOptions {
  /** How many may come at once. */
  readonly burst: number;
  readonly perSecond: number;
}

/** A token bucket. */
export interface Allowance {
  /** Takes as many of `count` as there are. @returns how many */
  take(count: number): number;
  /** Takes `count` in any case. @returns milliseconds until what was owed before is paid; at most the larger of `burst` and `count` is owed */
  charge(count: number): number;
}

export const createAllowance = (clock: Clock, { burst, perSecond }: BucketOptions): Allowance => {
  let tokens = burst;
  let at = clock.monotonicMs();
  const refill = (): void => {
    const now = clock.monotonicMs();
    tokens = Math.min(burst, tokens + ((now - at) / 1000) * perSecond);
    at = now;
  };
  return {
    take: (count) => {
      refill();
      const taken = Math.max(0, Math.min(count, Math.floor(tokens)));
      tokens -= taken;
      return taken;
    },
    charge: (count) => {
      refill();
      const owed = Math.max(0, -tokens);
      tokens = Math.max(tokens - count, -Math.max(burst, count));
      return (owed / perSecond) * 1000;
    },
  };
};

/** @returns whether one more may come now */
export const createBucket = (clock: Clock, options: BucketOptions): (() => boolean) => {
  const { take } = createAllowance(clock, options);
  return () => take(1) === 1;
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
