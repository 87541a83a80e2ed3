import { describe, expect, it } from 'vitest';
import { createBackoff } from './backoff.ts';

describe('createBackoff', () => {
  it('grows to its cap and starts over after a reset', () => {
    const backoff = createBackoff({ baseMs: 100, maxMs: 500, random: () => 0.5 });
    expect([1, 2, 3, 4].map(() => backoff.next())).toEqual([50, 100, 200, 250]);
    expect(backoff.failures).toBe(4);
    backoff.reset();
    expect(backoff.next()).toBe(50);
  });

  it('never waits less than its floor, nor overflows', () => {
    const backoff = createBackoff({ baseMs: 100, minMs: 80, maxMs: 500, random: () => 0 });
    for (let n = 0; n < 2_000; n += 1) expect(backoff.next()).toBe(80);
  });
});
