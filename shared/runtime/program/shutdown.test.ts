import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { createShutdown, shutdownSignal, untilAborted } from './shutdown.ts';

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

describe('shutdownSignal', () => {
  it('aborts at the first signal and exits at the second', async () => {
    const exits: number[] = [];
    const target = Object.assign(new EventEmitter(), { exit: (code: number) => exits.push(code) });
    const signal = shutdownSignal(target as unknown as NodeJS.Process);
    target.emit('SIGTERM', 'SIGTERM');
    await untilAborted(signal);
    expect(exits).toEqual([]);
    target.emit('SIGINT', 'SIGINT');
    expect(exits).toEqual([130]);
  });
});
