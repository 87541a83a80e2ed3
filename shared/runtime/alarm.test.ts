import { describe, expect, it } from 'vitest';
import { createAlarm } from './alarm.ts';
import { FakeClock } from './fake-clock.ts';

const never = new AbortController().signal;

describe('alarm', () => {
  it('waits its time when nobody rings', async () => {
    const clock = new FakeClock();
    let done = false;
    const waiting = createAlarm(clock)
      .wait(1000, never)
      .then(() => {
        done = true;
      });
    await clock.advance(999);
    expect(done).toBe(false);
    await clock.advance(1);
    await waiting;
  });

  it('any number of rings, before or during a wait, end one wait and no more', async () => {
    const clock = new FakeClock();
    const alarm = createAlarm(clock);
    alarm.ring();
    alarm.ring();
    await alarm.wait(1000, never);
    expect(clock.monotonicMs()).toBe(0);

    const second = alarm.wait(1000, never);
    alarm.ring();
    alarm.ring();
    await second;
    expect(clock.monotonicMs()).toBe(0);

    let done = false;
    const third = alarm.wait(1000, never).then(() => {
      done = true;
    });
    await clock.advance(999);
    expect(done).toBe(false);
    await clock.advance(1);
    await third;
  });

  it('ends when aborted', async () => {
    const stop = new AbortController();
    const waiting = createAlarm(new FakeClock()).wait(1000, stop.signal);
    stop.abort();
    await waiting;
  });
});
