import { describe, expect, it } from 'vitest';
import { createLogger } from '../../runtime/index.ts';
import { FakeClock } from '../../runtime/testing/fake-clock.ts';
import { type ReconcileOutcome, runController, TerminalError } from './controller.ts';
import { WorkQueue } from './work-queue.ts';

const logger = createLogger({ name: 'test', level: 'silent' });

describe('WorkQueue', () => {
  it('hands out a key once, however often it was added', async () => {
    const queue = new WorkQueue();
    queue.add('a');
    queue.add('a');
    queue.add('b');
    expect([await queue.take(), await queue.take(), queue.length]).toEqual(['a', 'b', 0]);
  });

  it('hands out a key exactly once more when it was added during its processing', async () => {
    const queue = new WorkQueue();
    queue.add('a');
    await queue.take();
    queue.add('a');
    queue.add('a');
    expect(queue.length).toBe(0);
    queue.done('a');
    expect(queue.length).toBe(1);
    await queue.take();
    queue.done('a');
    expect(queue.length).toBe(0);
  });

  it('keeps the earliest of several delayed adds', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock });
    queue.addAfter('a', 500);
    queue.addAfter('a', 100);
    queue.addAfter('a', 300);
    await clock.advance(99);
    expect(queue.length).toBe(0);
    await clock.advance(1);
    expect(await queue.take()).toBe('a');
    queue.done('a');
    await clock.advance(1_000);
    expect(queue.length).toBe(0);
  });

  it('drops the delayed add of a key that is handed out before', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock });
    queue.addAfter('a', 100);
    queue.add('a');
    expect(await queue.take()).toBe('a');
    queue.done('a');
    await clock.advance(1_000);
    expect(queue.length).toBe(0);
    queue.addAfter('a', 100);
    await clock.advance(100);
    expect(await queue.take()).toBe('a');
  });

  it('doubles the wait with every failure up to a cap, until the key is forgotten', () => {
    const queue = new WorkQueue({ clock: new FakeClock(), maxDelayMs: 30 });
    const waits = [1, 2, 3, 4].map(() => queue.addRateLimited('a'));
    expect(waits).toEqual([5, 10, 20, 30]);
    queue.forget('a');
    expect(queue.addRateLimited('a')).toBe(5);
  });

  it('ends pending takes when it closes', async () => {
    const queue = new WorkQueue();
    const taker = queue.take();
    queue.close();
    queue.add('a');
    expect([await taker, await queue.take()]).toEqual([undefined, undefined]);
  });
});

describe('runController', () => {
  it('retries failures, gives up on terminal errors, requeues on request', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock });
    const stop = new AbortController();
    const outcomes: ReconcileOutcome[] = [];
    const answers = [
      () => Promise.reject(new Error('not yet')),
      () => Promise.resolve({ requeueAfterMs: 1_000 }),
      () => Promise.reject(new TerminalError('never')),
    ];
    const metrics = { reconciled: ({ outcome }: { outcome: ReconcileOutcome }) => outcomes.push(outcome) };
    const reconcile = () => answers.shift()?.() ?? Promise.resolve({});
    const running = runController({ name: 'test', queue, logger, metrics, reconcile }, stop.signal);
    queue.add('a');
    await clock.advance(5);
    expect(outcomes).toEqual(['error', 'requeue']);
    await clock.advance(1_000);
    await clock.advance(600_000);
    expect(outcomes).toEqual(['error', 'requeue', 'terminal']);
    stop.abort();
    await running;
  });

  it('never runs two reconciles of one key at a time, and waits for its workers at the end', async () => {
    const queue = new WorkQueue();
    const stop = new AbortController();
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    let active = 0;
    let most = 0;
    const reconcile = async () => {
      active += 1;
      most = Math.max(most, active);
      begun.resolve();
      await gate.promise;
      active -= 1;
      return {};
    };
    const running = runController({ name: 'test', workers: 4, queue, logger, reconcile }, stop.signal);
    queue.add('a');
    await begun.promise;
    queue.add('a');
    stop.abort();
    gate.resolve();
    await running;
    expect({ most, active }).toEqual({ most: 1, active: 0 });
  });
});
