import { expect, it } from 'vitest';
import { type Clock, waitPatiently } from './clock.ts';

/** A clock whose sleeps take longer than asked, by these milliseconds, one after the other. */
const lateBy = (...lateMs: number[]): Clock & { readonly slept: number[] } => {
  let now = 0;
  const slept: number[] = [];
  return {
    slept,
    now: () => new Date(now),
    monotonicMs: () => now,
    sleep: async (ms, signal) => {
      signal.throwIfAborted();
      slept.push(ms);
      now += ms + (lateMs.shift() ?? 0);
    },
  };
};
const never = new AbortController().signal;

it.each([
  ['once, where the process had time to read', [900], 1],
  ['once more after a time in which it was busy', [1_000], 2],
  ['not for ever, however busy it is', [1_000, 1_000, 1_000], 2],
])('waits %s', async (_what, late, times) => {
  const clock = lateBy(...late);
  await waitPatiently(clock, 15_000, never);
  expect(clock.slept).toEqual(Array.from({ length: times }, () => 15_000));
});

it('ends with its signal', async () => {
  await expect(waitPatiently(lateBy(), 1, AbortSignal.abort(new Error('closed')))).rejects.toThrow('closed');
});
