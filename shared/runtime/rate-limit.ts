import { isIP } from 'node:net';
import type { Clock } from './clock.ts';

/** Size and refill of a token bucket. */
export interface BucketOptions {
  /** Largest number that may come at once. */
  readonly burst: number;
  readonly perSecond: number;
}

/** Token bucket. */
export interface Allowance {
  /** Takes up to `count` tokens. @returns number of tokens taken */
  take(count: number): number;
  /** Returns unused tokens. */
  giveBack(count: number): void;
  isEmpty(): boolean;
  /**
   * Takes `count` tokens in any case.
   *
   * @returns milliseconds until the earlier debt is paid; the debt is at most the larger of `burst`
   * and `count`
   */
  charge(count: number): number;
}

/** A class instead of closures, because a hub has ten for each agent. */
class TokenBucket implements Allowance {
  readonly #clock: Clock;
  readonly #options: BucketOptions;
  #tokens: number;
  #at: number;

  constructor(clock: Clock, options: BucketOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#tokens = options.burst;
    this.#at = clock.monotonicMs();
  }

  take(count: number): number {
    this.#refill();
    const taken = Math.max(0, Math.min(count, Math.floor(this.#tokens)));
    this.#tokens -= taken;
    return taken;
  }

  giveBack(count: number): void {
    this.#tokens = Math.min(this.#options.burst, this.#tokens + count);
  }

  isEmpty(): boolean {
    this.#refill();
    return this.#tokens < 1;
  }

  charge(count: number): number {
    this.#refill();
    const { burst, perSecond } = this.#options;
    const owed = Math.max(0, -this.#tokens);
    this.#tokens = Math.max(this.#tokens - count, -Math.max(burst, count));
    return (owed / perSecond) * 1000;
  }

  #refill(): void {
    const { burst, perSecond } = this.#options;
    const now = this.#clock.monotonicMs();
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
  }
}

/** Creates an allowance that starts with `burst` tokens and gains `perSecond`. */
export const createAllowance = (clock: Clock, options: BucketOptions): Allowance => new TokenBucket(clock, options);

/** Creates a token bucket. @returns function that takes one token, if there is one */
export const createBucket = (clock: Clock, options: BucketOptions): (() => boolean) => {
  const allowance = createAllowance(clock, options);
  return () => allowance.take(1) === 1;
};

/**
 * Drops the oldest entry of a map in insertion order if it has more than `kept`. For a map that
 * grows by one entry at a time.
 */
export const dropOldest = <K>(map: Map<K, unknown>, kept: number): void => {
  const oldest = map.keys().next();
  if (map.size > kept && !oldest.done) map.delete(oldest.value);
};

/** Bucket per address, and the number of addresses. */
export interface RateLimitOptions extends BucketOptions {
  /** Most addresses remembered. The least recently used one is dropped first. */
  readonly addresses: number;
}

/**
 * Network that counts as one client: an IPv4 address, or 64 bits of an IPv6 address, all of which
 * one host may have (RFC 6177).
 */
export const networkOf = (address: string): string => {
  const bare = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  const version = isIP(bare);
  if (version !== 6) return version === 4 ? bare : address;
  const [head = '', tail] = bare.toLowerCase().split('::', 2);
  const groupsOf = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [first, last] = [groupsOf(head), groupsOf(tail ?? '')];
  const zeros = Array.from({ length: Math.max(0, 8 - first.length - last.length) }, () => '0');
  const network = [...first, ...zeros, ...last].slice(0, 4);
  return `${network.map((group) => group.replace(/^0+(?=.)/, '')).join(':')}::/64`;
};

/** Network of an address that is likely to belong to one party: 24 bits of IPv4, 64 of IPv6. */
export const subnetOf = (address: string): string => {
  const network = networkOf(address);
  return isIP(network) === 4 ? network.replace(/\d+$/, '0/24') : network;
};

/** Creates a bucket for each address; see {@link networkOf}. */
export const createRateLimit = (clock: Clock, options: RateLimitOptions): ((address: string) => boolean) => {
  const buckets = new Map<string, () => boolean>();
  return (from) => {
    const address = networkOf(from);
    const bucket = buckets.get(address) ?? createBucket(clock, options);
    // Deleted first, so that the map is in order of last use.
    buckets.delete(address);
    buckets.set(address, bucket);
    dropOldest(buckets, options.addresses);
    return bucket();
  };
};

/** Rate of log lines that any client can cause. */
const LINES = { burst: 10, perSecond: 1 / 60, addresses: 10_000 };

/**
 * Creates a limit on warnings in the log.
 *
 * @returns function that returns the level for a line caused by an address or a cluster: `warn` for
 * some lines, then for one per minute
 */
export const createNoiseLimit = (clock: Clock): ((address: string | undefined) => 'warn' | 'debug') => {
  const mayWarn = createRateLimit(clock, LINES);
  return (address = '') => (mayWarn(address) ? 'warn' : 'debug');
};

/** Limit on failures only. Clients that share an address may succeed as often as they like. */
export interface FailureLimit {
  /** Whether an address has failed too often recently. */
  isSpent(address: string): boolean;
  note(address: string): void;
}

/**
 * Keeps an allowance for each address (for IPv6 each network of 64 bits), from which each failure
 * takes one.
 */
export const createFailureLimit = (clock: Clock, options: RateLimitOptions): FailureLimit => {
  const allowances = new Map<string, Allowance>();
  return {
    isSpent: (from) => allowances.get(networkOf(from))?.isEmpty() ?? false,
    note: (from) => {
      const address = networkOf(from);
      const allowance = allowances.get(address) ?? createAllowance(clock, options);
      allowances.delete(address);
      allowances.set(address, allowance);
      dropOldest(allowances, options.addresses);
      allowance.take(1);
    },
  };
};

/**
 * Shares places fairly: small demands are met in full, and the others get equal shares.
 *
 * @param wanted places that each one wants
 * @returns the most that any one gets
 */
export const fairShare = (wanted: readonly number[], places: number): number => {
  let left = places;
  const ascending = [...wanted].sort((a, b) => a - b);
  for (const [at, count] of ascending.entries()) {
    const share = Math.floor(left / (ascending.length - at));
    if (count > share) return share;
    left -= count;
  }
  return Number.POSITIVE_INFINITY;
};

/** Item that lost its room, with its holder. */
export interface Evicted {
  readonly holder: string;
  readonly item: string;
}

/**
 * Bounded number of items of several holders. When full, a holder takes the room of the largest
 * holder, provided that it has fewer items itself. So no holder loses room that all others have
 * too.
 */
export class SharedRoom {
  readonly #max: number;
  readonly #maxOfOne: number;
  readonly #holders = new Map<string, Set<string>>();
  #count = 0;

  constructor({ max, maxOfOne }: { readonly max: number; readonly maxOfOne: number }) {
    this.#max = max;
    this.#maxOfOne = maxOfOne;
  }

  /**
   * Takes room for an item, which may already have it.
   *
   * @param onEvicted called for the item that had to make room
   * @returns whether there is room
   */
  take(holder: string, item: string, onEvicted: (evicted: Evicted) => void): boolean {
    const items = this.#holders.get(holder) ?? new Set();
    if (items.has(item)) return true;
    if (items.size >= this.#maxOfOne) return false;
    if (this.#count >= this.#max) {
      const evicted = this.#evict(items.size);
      if (evicted === undefined) return false;
      onEvicted(evicted);
    }
    items.add(item);
    this.#holders.set(holder, items);
    this.#count += 1;
    return true;
  }

  has(holder: string, item: string): boolean {
    return this.#holders.get(holder)?.has(item) === true;
  }

  /** Releases the room of an item. */
  release(holder: string, item: string): void {
    const items = this.#holders.get(holder);
    if (items?.delete(item) !== true) return;
    this.#count -= 1;
    if (items.size === 0) this.#holders.delete(holder);
  }

  /**
   * Takes the room of the oldest item of the largest holder.
   *
   * @param size number of items of the requesting holder
   */
  #evict(size: number): Evicted | undefined {
    let [most, largest]: [string, Set<string>] = ['', new Set()];
    for (const [holder, items] of this.#holders) if (items.size > largest.size) [most, largest] = [holder, items];
    if (largest.size <= size + 1) return undefined;
    const [item = ''] = largest;
    this.release(most, item);
    return { holder: most, item };
  }
}
