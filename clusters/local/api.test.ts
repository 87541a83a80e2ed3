import { expect, it } from 'vitest';
import { ApiError, retrying } from './api.ts';

it('repeats after a broken connection and a busy answer, not after a refusal', async () => {
  const failures = [new Error('socket hang up'), new ApiError(429, 'busy'), new ApiError(503, 'starting')];
  const work = async (): Promise<string> => {
    const failure = failures.shift();
    if (failure) throw failure;
    return 'done';
  };
  expect(await retrying(work)).toBe('done');
  let calls = 0;
  const refused = retrying(async () => {
    calls++;
    throw new ApiError(403, 'forbidden');
  });
  await expect(refused).rejects.toThrow('forbidden');
  expect(calls).toBe(1);
});

it('does not repeat once aborted', async () => {
  const stop = new AbortController();
  let calls = 0;
  const work = retrying(async () => {
    calls++;
    stop.abort();
    throw new Error('socket hang up');
  }, stop.signal);
  await expect(work).rejects.toThrow(/abort/i);
  expect(calls).toBe(1);
});
