import { FakeClock } from '@fso/shared/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { Chases, type LookResult } from './probe-retries.ts';
import { RetryBudget } from './retry-budget.ts';

const stop = { current: new AbortController() };
afterEach(() => stop.current.abort());

/** Chases whose looks give these results in turn, and the last one for ever. */
const chasing = (results: readonly (LookResult | Error)[], onLook: (looks: number) => void = () => undefined) => {
  stop.current = new AbortController();
  const clock = new FakeClock();
  const looks: number[] = [];
  const failures: unknown[] = [];
  const chases: Chases = new Chases(
    {
      clock,
      budget: new RetryBudget(clock, stop.current.signal),
      firstWaitMs: 10,
      look: async () => {
        looks.push(clock.monotonicMs());
        onLook(looks.length);
        const result = results[Math.min(looks.length, results.length) - 1] ?? 'again';
        if (result instanceof Error) throw result;
        return result;
      },
      cost: () => 1,
      longestWaitMs: () => 60_000,
      failed: (_, error) => failures.push(error),
    },
    stop.current.signal,
  );
  return { clock, chases, looks, failures };
};

describe('Chases', () => {
  it('looks at once, and again after waits that double', async () => {
    const { clock, chases, looks } = chasing(['again', 'again', 'again', 'proven']);
    chases.start('a');
    await clock.advance(1_000);
    expect(looks).toEqual([0, 10, 30, 70]);
    expect(chases.has('a')).toBe(false);
  });

  it('begins anew when something changes, in the middle of a wait and of a look', async () => {
    const { clock, chases, looks } = chasing(['again', 'again', 'proven', 'proven'], (count) => {
      if (count === 3) chases.start('a');
    });
    chases.start('a');
    await clock.advance(20);
    chases.start('a');
    await clock.advance(1_000);
    // The third look was overtaken by a change: what it said does not count.
    expect(looks).toEqual([0, 10, 20, 20]);
    expect(chases.has('a')).toBe(false);
  });

  it('loses no change that comes as the chase ends', async () => {
    const { clock, chases, looks } = chasing(['proven']);
    chases.start('a');
    while (chases.has('a')) await Promise.resolve();
    chases.start('a');
    await clock.advance(0);
    expect(looks).toHaveLength(2);
  });

  it('goes on after a look that broke, and says so', async () => {
    const { clock, chases, looks, failures } = chasing([new Error('broken'), 'proven']);
    chases.start('a');
    await clock.advance(100);
    expect([looks.length, failures.length, chases.has('a')]).toEqual([2, 1, false]);
  });

  it('lets what is wrong for long wait for the budget, and ends with the agent', async () => {
    const { clock, chases, looks } = chasing(['again']);
    for (let index = 0; index < 200; index += 1) chases.resume(`n${index}`);
    await clock.advance(10_000);
    // 50 at once, 8 a second.
    expect(looks.length).toBeGreaterThanOrEqual(120);
    expect(looks.length).toBeLessThanOrEqual(135);
    stop.current.abort();
    await clock.advance(0);
    expect(chases.has('n0')).toBe(false);
  });
});
