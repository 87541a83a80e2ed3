import { ThreadSlices } from '@fso/shared/runtime';
import { expect, it } from 'vitest';
import { RequestWork } from './request-work.ts';

const never = new AbortController().signal;

/** Keeps the thread for a number of milliseconds. */
const spin = (ms: number): void => {
  for (const until = performance.now() + ms; performance.now() < until; );
};

const turnOfLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('lets other work run between slices of any computation', async () => {
  const slices = new ThreadSlices();
  const all = Promise.all(
    Array.from({ length: 4 }, async () => {
      let visited = 0;
      await new RequestWork(slices).each(
        Array.from({ length: 640 }, (_, n) => n),
        () => {
          visited += 1;
          spin(0.2);
        },
        never,
      );
      return visited;
    }),
  );
  const over = new AbortController();
  const ended = all.then(() => over.abort());
  let turns = 0;
  for (; !over.signal.aborted; turns += 1) await turnOfLoop();
  await ended;
  expect(await all).toEqual([640, 640, 640, 640]);
  // 4 × 128 ms of work, and at most one slice in each turn.
  expect(turns).toBeGreaterThan(20);
});

it.each([
  ['does little', 1, 10],
  ['takes 40 ms a turn', 40, 40],
  ['takes a second a turn', 1_000, 100],
])('gives a slice of its length where other work %s', async (_what, othersMs, sliceMs) => {
  let now = 0;
  const slices = new ThreadSlices(() => now);
  const lengths: number[] = [];
  let begun = 0;
  const work = new RequestWork(slices).each(
    Array.from({ length: 3 * sliceMs }, (_, n) => n),
    () => {
      if (begun === 0) begun = now;
      now += 1;
      lengths[lengths.length - 1] = now - begun;
    },
    never,
    1,
  );
  const others = async (): Promise<void> => {
    for (let turn = 0; turn < 3; turn += 1) {
      now += othersMs;
      lengths.push(0);
      begun = 0;
      await turnOfLoop();
    }
  };
  await Promise.all([work, others()]);
  expect(lengths).toEqual([sliceMs, sliceMs, sliceMs]);
});

it('shares a slice among all requests that are done within it, in their order', async () => {
  const slices = new ThreadSlices(() => 0);
  const done: number[] = [];
  const requests = Array.from({ length: 50 }, (_, n) => new RequestWork(slices).each([n], (each) => done.push(each), never));
  const ended = Promise.all(requests);
  await turnOfLoop();
  expect(done).toEqual(requests.map((_, n) => n));
  await ended;
});

it('leaves out no work that is asked for by other work', async () => {
  let now = 0;
  const slices = new ThreadSlices(() => now);
  const visit = (work: () => unknown): Promise<void> => new RequestWork(slices).each([1], work, never);
  // Begins a slice, so that the work below does not wait for one.
  await visit(() => undefined);
  let asked: Promise<void> | undefined;
  await visit(() => {
    now += 1_000;
    asked = visit(() => undefined);
  });
  await asked;
  expect(asked).toBeDefined();
});

it('charges what the work costs', async () => {
  const work = new RequestWork(new ThreadSlices());
  let charged = 0;
  work.run(() => spin(5));
  work.chargeTo((ms) => {
    charged += ms;
  });
  await work.each([1], () => spin(20), never);
  work.run(() => spin(20));
  expect(charged).toBeGreaterThan(0);
});

it('ends with its caller', async () => {
  const gone = new AbortController();
  let visited = 0;
  const work = new RequestWork(new ThreadSlices()).each(
    Array.from({ length: 100_000 }, (_, n) => n),
    () => {
      visited += 1;
      if (visited === 64) {
        gone.abort(new Error('gone'));
        spin(20);
      }
    },
    gone.signal,
  );
  await expect(work).rejects.toThrow('gone');
  expect(visited).toBe(64);
});
