import { describe, expect, it } from 'vitest';
import { systemClock } from '../clock.ts';
import { FakeClock } from './fake-clock.ts';

const never = new AbortController().signal;

describe('FakeClock', () => {
  it('wakes sleeps in the order in which they are due, also those that begin meanwhile', async () => {
    const clock = new FakeClock();
    const woken: string[] = [];
    const sleep = async (name: string, ms: number) => {
      await clock.sleep(ms, never);
      woken.push(`${name}@${clock.monotonicMs()}`);
    };
    const sleeps = [sleep('late', 30), sleep('early', 10).then(() => sleep('next', 10))];
    await clock.advance(25);
    expect(woken).toEqual(['early@10', 'next@20']);
    expect(clock.sleeping).toBe(1);
    await clock.advance(5);
    await Promise.all(sleeps);
    expect(clock.now().toISOString()).toBe('2026-01-01T00:00:00.030Z');
  });
});

describe.each([
  ['FakeClock', new FakeClock()],
  ['systemClock', systemClock],
])('%s', (_, clock) => {
  it("rejects a sleep with the signal's reason", async () => {
    const stop = new AbortController();
    const sleeping = clock.sleep(60_000, stop.signal);
    const reason = new Error('stop');
    stop.abort(reason);
    await expect(sleeping).rejects.toBe(reason);
  });
});
