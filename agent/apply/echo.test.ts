import { FakeClock } from '@fso/shared/fake-clock';
import { expect, it } from 'vitest';
import { type Write, WritePool } from './write-pool.ts';

/** A pool with plans of one write, once a second. */
const start = () => {
  const clock = new FakeClock();
  const ignore = (): void => undefined;
  const retry = { firstMs: 5_000, secondMs: 30_000, capMs: 300_000, random: () => 0 };
  const pool = new WritePool(
    { concurrency: 16, clock, retry, echoMs: 1_000, onDone: ignore, onFailure: ignore },
    new AbortController().signal,
  );
  const shown: { version: string | undefined } = { version: '1' };
  let seconds = -1;
  /** @returns the seconds, of those that pass, in which the target is written */
  const plan = async (times: number, change: Partial<Write> = {}): Promise<readonly number[]> => {
    const written: number[] = [];
    const run: Write['run'] = async () => {
      written.push(seconds);
      return 'written';
    };
    const write = { key: 'A/a', policies: [], reason: 'Govern', priority: 0, liveVersion: () => shown.version, run, ...change };
    for (let time = 0; time < times; time += 1) {
      seconds += 1;
      pool.submit([write]);
      await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(1_000);
    }
    return written;
  };
  return { plan, shown };
};

it.each([
  ['up to 30 s', {}, [0, 1, 3, 7, 15, 31, 61, 91, 121]],
  ['up to the longest wait after a failure', { retry: { capMs: 5_000 } }, [0, 1, 3, 7, 12, 17, 22]],
  ['from the time of the write on', { echoMs: 20_000 }, [0, 20, 50, 80]],
])('repeats a write that the cache does not show with waits that grow %s', async (_title, change, expected) => {
  expect((await start().plan(130, change)).slice(0, expected.length)).toEqual(expected);
});

it('waits shortly again once the cache has shown a write', async () => {
  const { plan, shown } = start();
  expect(await plan(10)).toEqual([0, 1, 3, 7]);
  // It was deleted, and is written again.
  shown.version = undefined;
  expect(await plan(4)).toEqual([10, 11, 13]);
});

it('writes a changed plan for a target soon, and the same plan made again only after the wait', async () => {
  const { plan } = start();
  const regions = (count: number) => ({ echoMs: 30_000, content: [{ regions: count }] });
  expect(await plan(5, regions(1))).toEqual([0]);
  expect(await plan(5, regions(2))).toEqual([5]);
  expect(await plan(1, regions(3))).toEqual([10]);
  expect(await plan(1, regions(4))).toEqual([11]);
  expect(await plan(28, regions(4))).toEqual([]);
});
