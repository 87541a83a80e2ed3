import { FakeClock } from '@fso/shared/fake-clock';
import { afterEach, describe, expect, it } from 'vitest';
import type { WriteFailure } from '../enforce/index.ts';
import { PRIORITIES, retryDelayMs, type Write, type WriteOutcome, WritePool } from './write-pool.ts';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A write whose end the test decides. */
class Task implements Write {
  readonly key: string;
  readonly policies: readonly string[] = [];
  readonly reason = 'Govern';
  readonly priority: number;
  version: string | undefined = '1';
  runs = 0;
  #end = Promise.withResolvers<WriteOutcome>();

  constructor(key: string, priority = 0) {
    this.key = key;
    this.priority = priority;
  }

  liveVersion(): string | undefined {
    return this.version;
  }

  run(): Promise<WriteOutcome> {
    this.runs += 1;
    return this.#end.promise;
  }

  async end(error?: Error): Promise<void> {
    const { resolve, reject } = this.#end;
    this.#end = Promise.withResolvers<WriteOutcome>();
    if (error === undefined) resolve('written');
    else reject(error);
    await settle();
  }
}

describe('WritePool', () => {
  let stop = new AbortController();
  afterEach(() => {
    stop.abort();
    stop = new AbortController();
  });

  const start = (concurrency = 16) => {
    const clock = new FakeClock();
    const failures: WriteFailure[] = [];
    const done: string[] = [];
    const wokenBy: string[] = [];
    const pool = new WritePool(
      {
        concurrency,
        clock,
        retry: { firstMs: 5_000, secondMs: 30_000, capMs: 300_000, random: () => 0 },
        echoMs: 1_000,
        onDone: ({ key }) => done.push(key),
        onFailure: (_work, failure) => failures.push(failure),
      },
      stop.signal,
    );
    for (const planner of ['rounds', 'reports'] as const)
      pool.onDue(planner, () => {
        wokenBy.push(planner);
      });
    return { pool, clock, failures, done, wokenBy };
  };

  it('requests one more round where a failure is over because no write is needed any more', async () => {
    const { pool, wokenBy } = start();
    const task = new Task('a');
    pool.submit([task]);
    await task.end(new Error('refused'));
    expect(pool.failures()).toHaveLength(1);
    pool.submit([]);
    pool.submit([]);
    expect([pool.failures(), wokenBy]).toEqual([[], ['rounds']]);
  });

  it('never runs a key twice at a time', async () => {
    const { pool, done } = start();
    const task = new Task('a');
    pool.submit([task]);
    pool.submit([task]);
    expect(task.runs).toBe(1);
    await task.end();
    expect(done).toEqual(['a']);
  });

  it('leaves a written target alone until the cache shows the write, or the wait is over', async () => {
    const { pool, clock } = start();
    const task = new Task('a');
    pool.submit([task]);
    await task.end();
    pool.submit([task]);
    expect(task.runs).toBe(1);
    task.version = '2';
    pool.submit([task]);
    expect(task.runs).toBe(2);
    await task.end();
    await clock.advance(1_001);
    pool.submit([task]);
    expect(task.runs).toBe(3);
  });

  it('is not settled while an object of a kind is written or not shown yet, also where it is no longer wanted', async () => {
    const { pool, clock } = start();
    const task = new Task('A/a');
    expect(pool.isSettled('A')).toBe(true);
    pool.submit([task]);
    pool.submit([]);
    expect([pool.isSettled('A'), pool.isSettled('B')]).toEqual([false, true]);
    await task.end();
    pool.submit([]);
    expect(pool.isSettled('A')).toBe(false);
    task.version = '2';
    expect(pool.isSettled('A')).toBe(true);
    pool.submit([task]);
    await task.end();
    await clock.advance(1_000);
    expect(pool.isSettled('A')).toBe(true);
  });

  it('keeps a share of its writes for others while locks hang', async () => {
    const { pool } = start(8);
    const locks = Array.from({ length: 20 }, (_, index) => new Task(`Namespace/${index}`, PRIORITIES.locks));
    pool.submit(locks);
    expect(locks.filter(({ runs }) => runs > 0).length).toBe(6);
    const policy = new Task('SovereignPolicy/a', PRIORITIES.policies);
    pool.submit([...locks, policy]);
    expect(policy.runs).toBe(1);
    await policy.end();
    expect(locks.filter(({ runs }) => runs > 0).length).toBe(6);
  });

  it('lets a failing key wait on its own: 5 s, then 30 s', async () => {
    const { pool, clock, failures } = start();
    const bad = new Task('bad');
    const good = new Task('good');
    pool.submit([bad, good]);
    await bad.end(new Error('no'));
    await good.end();
    expect(failures).toMatchObject([{ key: 'bad', error: 'no', failures: 1 }]);
    pool.submit([bad]);
    expect(bad.runs).toBe(1);
    await clock.advance(5_000);
    pool.submit([bad]);
    expect(bad.runs).toBe(2);
    await bad.end(new Error('still no'));
    await clock.advance(29_999);
    pool.submit([bad]);
    expect(bad.runs).toBe(2);
    await clock.advance(1);
    pool.submit([bad]);
    expect(bad.runs).toBe(3);
    expect(pool.failures()).toMatchObject([{ key: 'bad', failures: 2 }]);
  });

  it('waits no longer than the write allows', async () => {
    const { pool, clock } = start();
    const urgent = Object.assign(new Task('urgent'), { retry: { capMs: 5_000 } });
    for (let failures = 1; failures <= 5; failures += 1) {
      pool.submit([urgent]);
      await urgent.end(new Error('no'));
      await clock.advance(5_000);
    }
    expect(urgent.runs).toBe(5);
  });

  it('retries a second later where the kind may be written again, and no other kind', async () => {
    const { pool, clock } = start();
    const [one, other] = [new Task('A/a'), new Task('B/a')];
    const writes = [one, other];
    pool.submit(writes);
    await one.end(new Error('no'));
    await other.end(new Error('no'));
    pool.retryKind('A');
    await clock.advance(999);
    pool.submit(writes);
    expect([one.runs, other.runs]).toEqual([1, 1]);
    await clock.advance(1);
    pool.submit(writes);
    expect([one.runs, other.runs]).toEqual([2, 1]);
  });

  it('continues with the others where one fails', async () => {
    const { pool, done } = start(1);
    const [bad, good] = [new Task('bad'), new Task('good', 1)];
    pool.submit([bad, good]);
    await bad.end(new Error('no'));
    expect(good.runs).toBe(1);
    await good.end();
    expect(done).toEqual(['good']);
  });

  it('starts lower priorities first, and drops what the newest plan no longer wants', async () => {
    const { pool } = start(1);
    const [running, late, early, dropped] = [new Task('running'), new Task('late', 2), new Task('early', 1), new Task('dropped', 0)];
    pool.submit([running, dropped]);
    pool.submit([running, late, early]);
    await running.end();
    expect([dropped.runs, early.runs, late.runs]).toEqual([0, 1, 0]);
  });

  it('keeps the writes of one planner when another plans again, and starts those of reports last and one at a time', async () => {
    const { pool, done } = start(2);
    const [one, two] = [new Task('report/1', 3), new Task('report/2', 3)];
    pool.submit([one, two], 'reports');
    const lock = new Task('lock');
    pool.submit([lock]);
    expect([one.runs, two.runs, lock.runs, pool.waiting]).toEqual([1, 0, 1, 0]);
    await lock.end();
    expect(two.runs).toBe(0);
    pool.submit([]);
    await one.end();
    await two.end();
    expect(done).toEqual(['lock', 'report/1', 'report/2']);
  });

  it('counts the failure of a report for no round, and wakes its own planner', async () => {
    const { pool, wokenBy } = start();
    const report = Object.assign(new Task('report', 3), { retry: { firstMs: 0 } });
    pool.submit([report], 'reports');
    await report.end(new Error('no'));
    pool.submit([]);
    expect([pool.failures(), wokenBy]).toEqual([[], []]);
    pool.submit([report], 'reports');
    expect(report.runs).toBe(2);
    await report.end(new Error('no'));
    pool.submit([], 'reports');
    expect(wokenBy).toEqual(['reports']);
  });

  it('forgets the failures of a key that is no longer wanted', async () => {
    const { pool } = start();
    const task = new Task('a');
    pool.submit([task]);
    await task.end(new Error('no'));
    pool.submit([]);
    expect(pool.failures()).toEqual([]);
    pool.submit([task]);
    expect(task.runs).toBe(2);
  });
});

describe('retryDelayMs', () => {
  const policy = { firstMs: 5_000, secondMs: 30_000, capMs: 300_000, random: () => 0.5 };

  it('waits 5 s, then 30 s, then longer and longer up to the cap', () => {
    expect([1, 2, 3, 4, 5, 20].map((failures) => retryDelayMs(failures, policy))).toEqual([
      5_000, 30_000, 45_000, 90_000, 180_000, 225_000,
    ]);
  });

  it('never waits longer than a cap below that', () => {
    expect([1, 2, 3, 20].map((failures) => retryDelayMs(failures, { ...policy, capMs: 4_000 }))).toEqual([4_000, 4_000, 3_000, 3_000]);
  });

  it('spreads between half and all of the wait', () => {
    expect(retryDelayMs(3, { ...policy, random: () => 0 })).toBe(30_000);
    expect(retryDelayMs(3, { ...policy, random: () => 0.999999 })).toBeCloseTo(60_000, -1);
  });
});
