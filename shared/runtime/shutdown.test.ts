import { expect, it } from 'vitest';
import { FakeClock } from './fake-clock.ts';
import { createShutdown } from './shutdown.ts';

const stateOf = ({ draining, closing }: ReturnType<typeof createShutdown>) => [draining.aborted, closing.aborted];

it('closes after the delay', async () => {
  const clock = new FakeClock();
  const stopping = new AbortController();
  const shutdown = createShutdown(stopping.signal, { clock, delayMs: 5_000 });
  expect(stateOf(shutdown)).toEqual([false, false]);
  stopping.abort();
  await clock.advance(4_999);
  expect(stateOf(shutdown)).toEqual([true, false]);
  await clock.advance(1);
  expect(stateOf(shutdown)).toEqual([true, true]);
});

it('closes at once without a delay, and where a part has failed', async () => {
  const clock = new FakeClock();
  const never = new AbortController().signal;
  const prompt = createShutdown(never, { clock, delayMs: 0 });
  prompt.begin();
  expect(stateOf(prompt)).toEqual([true, true]);
  const failed = createShutdown(never, { clock, delayMs: 5_000 });
  failed.begin();
  failed.closeNow();
  expect(stateOf(failed)).toEqual([true, true]);
  expect(clock.sleeping).toBe(0);
});
