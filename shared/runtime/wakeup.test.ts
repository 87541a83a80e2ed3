import { describe, expect, it } from 'vitest';
import { FakeClock } from './testing/fake-clock.ts';
import { Wakeup } from './wakeup.ts';

const never = new AbortController().signal;

describe('Wakeup', () => {
  it('waits its time when nothing wakes it', async () => {
    const clock = new FakeClock();
    let isDone = false;
    const waiting = new Wakeup().waitAtMost(1000, clock, never).then(() => {
      isDone = true;
    });
    await clock.advance(999);
    expect(isDone).toBe(false);
    await clock.advance(1);
    await waiting;
  });

  it('ends one wait, and no more, for any number of calls before or during it', async () => {
    const clock = new FakeClock();
    const wakeup = new Wakeup();
    wakeup.wake();
    wakeup.wake();
    await wakeup.waitAtMost(1000, clock, never);
    expect(clock.monotonicMs()).toBe(0);

    const second = wakeup.waitAtMost(1000, clock, never);
    wakeup.wake();
    wakeup.wake();
    await second;
    expect(clock.monotonicMs()).toBe(0);

    let isDone = false;
    const third = wakeup.waitAtMost(1000, clock, never).then(() => {
      isDone = true;
    });
    await clock.advance(999);
    expect(isDone).toBe(false);
    await clock.advance(1);
    await third;
  });

  it('keeps a call that comes after a wait has timed out', async () => {
    const clock = new FakeClock();
    const wakeup = new Wakeup();
    const waiting = wakeup.waitAtMost(1000, clock, never);
    await clock.advance(1000);
    await waiting;
    wakeup.wake();
    await wakeup.wait(never);
    expect(clock.sleeping).toBe(0);
  });

  it('throws the reason of the abort', async () => {
    const stop = new AbortController();
    const reason = new Error('stop');
    const [limited, unlimited] = [new Wakeup().waitAtMost(1000, new FakeClock(), stop.signal), new Wakeup().wait(stop.signal)];
    stop.abort(reason);
    await expect(limited).rejects.toBe(reason);
    await expect(unlimited).rejects.toBe(reason);
  });
});
