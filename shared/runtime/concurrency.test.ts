import { describe, expect, it } from 'vitest';
import { coalesce, mapConcurrently } from './concurrency.ts';

describe('coalesce', () => {
  it('runs once at a time, and once more for all calls meanwhile', async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let runs = 0;
    const trigger = coalesce(() => gates[runs++]?.promise ?? Promise.resolve());
    const first = trigger();
    const others = [trigger(), trigger()];
    expect(runs).toBe(1);
    gates[0]?.resolve();
    await first;
    gates[1]?.resolve();
    await Promise.all(others);
    expect(runs).toBe(2);
    await trigger();
    expect(runs).toBe(3);
  });

  it('continues after a failure', async () => {
    let runs = 0;
    const trigger = coalesce(() => (runs++ === 0 ? Promise.reject(new Error('first')) : Promise.resolve()));
    const [first, second] = [trigger(), trigger()];
    await expect(first).rejects.toThrow('first');
    await expect(second).resolves.toBeUndefined();
  });
});

describe('mapConcurrently', () => {
  it('keeps the order and the limit', async () => {
    let active = 0;
    let most = 0;
    const results = await mapConcurrently([3, 1, 2, 5, 4], 2, async (n) => {
      most = Math.max(most, ++active);
      await Promise.resolve();
      active -= 1;
      return n * 10;
    });
    expect({ results, most }).toEqual({ results: [30, 10, 20, 50, 40], most: 2 });
  });

  it('starts nothing after a failure and throws it', async () => {
    const started: number[] = [];
    const run = (n: number) => {
      started.push(n);
      return n === 1 ? Promise.reject(new Error('one')) : Promise.resolve(n);
    };
    await expect(mapConcurrently([1, 2, 3], 1, run)).rejects.toThrow('one');
    expect(started).toEqual([1]);
    expect(await mapConcurrently([], 3, run)).toEqual([]);
  });
});
