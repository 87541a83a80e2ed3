import { FakeClock } from '@fso/shared/fake-clock';
import { afterEach, describe, expect, it } from 'vitest';
import { ProbeRetries, type RetryResult } from './probe-retries.ts';
import { RetryBudget } from './retry-budget.ts';

const stop = { current: new AbortController() };
afterEach(() => stop.current.abort());

/** Retries whose probes give these results in turn, and then the last one for ever. */
const retrying = (results: readonly (RetryResult | Error)[], onProbe: (count: number) => void = () => undefined) => {
  stop.current = new AbortController();
  const clock = new FakeClock();
  const probes: number[] = [];
  const failures: unknown[] = [];
  const retries: ProbeRetries = new ProbeRetries(
    {
      clock,
      budget: new RetryBudget(clock, stop.current.signal),
      firstWaitMs: 10,
      probe: async () => {
        probes.push(clock.monotonicMs());
        onProbe(probes.length);
        const result = results[Math.min(probes.length, results.length) - 1] ?? 'again';
        if (result instanceof Error) throw result;
        return result;
      },
      cost: () => 1,
      longestWaitMs: () => 60_000,
      onError: (_, error) => failures.push(error),
    },
    stop.current.signal,
  );
  return { clock, retries, probes, failures };
};

describe('ProbeRetries', () => {
  it('probes at once, and again after waits that double', async () => {
    const { clock, retries, probes } = retrying(['again', 'again', 'again', 'proven']);
    retries.start('a');
    await clock.advance(1_000);
    expect(probes).toEqual([0, 10, 30, 70]);
    expect(retries.has('a')).toBe(false);
  });

  it('starts again when the target changes during a wait or a probe', async () => {
    const { clock, retries, probes } = retrying(['again', 'again', 'proven', 'proven'], (count) => {
      if (count === 3) retries.start('a');
    });
    retries.start('a');
    await clock.advance(20);
    retries.start('a');
    await clock.advance(1_000);
    // A change came during the third probe: its result does not count.
    expect(probes).toEqual([0, 10, 20, 20]);
    expect(retries.has('a')).toBe(false);
  });

  it('loses no change that arrives as the retries end', async () => {
    const { clock, retries, probes } = retrying(['proven']);
    retries.start('a');
    while (retries.has('a')) await Promise.resolve();
    retries.start('a');
    await clock.advance(0);
    expect(probes).toHaveLength(2);
  });

  it('reports a probe that throws, and continues', async () => {
    const { clock, retries, probes, failures } = retrying([new Error('broken'), 'proven']);
    retries.start('a');
    await clock.advance(100);
    expect([probes.length, failures.length, retries.has('a')]).toEqual([2, 1, false]);
  });

  it('makes long retries wait for the budget, and ends with the agent', async () => {
    const { clock, retries, probes } = retrying(['again']);
    for (let index = 0; index < 200; index += 1) retries.resume(`n${index}`);
    await clock.advance(10_000);
    // 50 at once, 8 a second.
    expect(probes.length).toBeGreaterThanOrEqual(120);
    expect(probes.length).toBeLessThanOrEqual(135);
    stop.current.abort();
    await clock.advance(0);
    expect(retries.has('n0')).toBe(false);
  });
});
