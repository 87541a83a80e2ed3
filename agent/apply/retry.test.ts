import { describe, expect, it } from 'vitest';
import { retryDelayMs } from './retry.ts';

describe('retryDelayMs', () => {
  const policy = { firstMs: 5_000, secondMs: 30_000, capMs: 300_000, random: () => 0.5 };

  it('waits 5 s, then 30 s, then longer and longer up to the cap', () => {
    expect([1, 2, 3, 4, 5, 20].map((failures) => retryDelayMs(failures, policy))).toEqual([
      5_000, 30_000, 45_000, 90_000, 180_000, 225_000,
    ]);
  });

  it('spreads between half and all of the wait', () => {
    expect(retryDelayMs(3, { ...policy, random: () => 0 })).toBe(30_000);
    expect(retryDelayMs(3, { ...policy, random: () => 0.999999 })).toBeCloseTo(60_000, -1);
  });
});
