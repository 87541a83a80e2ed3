import { systemClock } from '@fso/shared/runtime';
import { standingOf } from '@fso/shared/status';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { type Change, unseen } from '../../changes.ts';
import { PolicyLists } from '../../policies/index.ts';
import { event, policy, report, TIME } from '../../testing/ledger.ts';
import { BatchTooLargeError } from '../errors.ts';
import { planBatch } from './plan-batch.ts';
import { type PreparedChange, prepareChange } from './prepared-change.ts';
import { WriteQueue } from './write-queue.ts';

const change = (reason: string): Change => ({ type: 'event', time: TIME, cluster: null, event: event(reason) });
const reasonOf = (one: Change): string => {
  if (one.type === 'connected') return `${one.cluster} ${one.connected}`;
  return one.type === 'event' ? one.event.reason : one.type;
};
const connected = (cluster: string, value: boolean, time = TIME): Change => ({ type: 'connected', time, cluster, connected: value });

/** A database of which the test says how each commit ends. */
const openQueue = (answer: (reasons: readonly string[], number: number) => unknown, maxQueued = 10_000, cut = (): void => undefined) => {
  const commits: { readonly reasons: readonly string[]; readonly number: number }[] = [];
  const commit = async (changes: readonly PreparedChange[], number: number): Promise<void> => {
    const reasons = changes.map((prepared) => reasonOf(prepared.change));
    commits.push({ reasons, number });
    const error = await answer(reasons, number);
    if (error !== undefined) throw error;
  };
  const queue = new WriteQueue({ commit, cut, clock: systemClock, random: () => 0, logger: pino({ level: 'silent' }), maxQueued });
  return { queue, commits };
};
const sqlError = (code: string): Error => Object.assign(new Error('no'), { code });

it('what comes in one go, or while a commit is under way, is one commit', async () => {
  const first = Promise.withResolvers<undefined>();
  const { queue, commits } = openQueue((_reasons, number) => (number === 1 ? first.promise : undefined));
  const writes = ['a', 'b'].map((reason) => queue.submit(change(reason)));
  await expect.poll(() => commits.length).toBe(1);
  writes.push(...['c', 'd', 'e'].map((reason) => queue.submit(change(reason))));
  first.resolve(undefined);
  await Promise.all(writes);
  expect(commits.map(({ reasons }) => reasons)).toEqual([
    ['a', 'b'],
    ['c', 'd', 'e'],
  ]);
});

it('a change that the database can never take is refused alone', async () => {
  const { queue, commits } = openQueue((reasons) => (reasons.includes('bad') ? sqlError('22021') : undefined));
  const ends = await Promise.allSettled(['a', 'bad', 'b'].map((reason) => queue.submit(change(reason))));
  expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(commits.map(({ reasons }) => reasons)).toEqual([['a', 'bad', 'b'], ['a'], ['bad', 'b'], ['bad'], ['b']]);
  expect(queue.health()).toEqual({ ok: true });
});

it('one bad change among a thousand is found by halves', async () => {
  const { queue, commits } = openQueue((reasons) => (reasons.includes('r700') ? sqlError('54000') : undefined));
  const ends = await Promise.allSettled(Array.from({ length: 1_000 }, (_, i) => queue.submit(change(`r${i}`))));
  expect(ends.flatMap(({ status }, i) => (status === 'rejected' ? [i] : []))).toEqual([700]);
  expect(commits.length).toBeLessThan(25);
});

it('a batch that is too much for one transaction is halved until it fits, in its order', async () => {
  const { queue, commits } = openQueue((reasons) => (reasons.length > 2 ? new BatchTooLargeError('too much') : undefined));
  await Promise.all(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((reason) => queue.submit(change(reason))));
  const done = commits.filter(({ reasons }) => reasons.length <= 2);
  expect(done.map(({ reasons }) => reasons)).toEqual([
    ['a', 'b'],
    ['c', 'd'],
    ['e', 'f'],
    ['g', 'h'],
  ]);
  expect(new Set(commits.map(({ number }) => number)).size).toBe(commits.length);
  expect(queue.health()).toEqual({ ok: true });
});

it('a batch is bounded by rows and by the size of its texts', async () => {
  const first = Promise.withResolvers<undefined>();
  const { queue, commits } = openQueue((_reasons, number) => (number === 1 ? first.promise : undefined));
  const writes = [queue.submit(change('a'))];
  await expect.poll(() => commits.length).toBe(1);
  const reported = (policies: number, message: string): Change => ({
    type: 'report',
    time: TIME,
    cluster: 'eu',
    report: report(1, { full: true, policies: Array.from({ length: policies }, (_, i) => policy(`p${i}`, { message })) }),
  });
  // 12 MB, and twice 6 MB; then three times 9,128 rows.
  for (const length of [12, 6, 6]) writes.push(queue.submit(reported(100, 'x'.repeat(length * 10_000))));
  for (let i = 0; i < 3; i += 1) writes.push(queue.submit(reported(9_000, '')));
  first.resolve(undefined);
  await Promise.all(writes);
  expect(commits.slice(1).map(({ reasons }) => reasons.length)).toEqual([1, 1, 1, 1, 1, 1]);
});

it('a batch is bounded by the names of its deviations and by the size of their texts', async () => {
  const first = Promise.withResolvers<undefined>();
  const { queue, commits } = openQueue((_reasons, number) => (number === 1 ? first.promise : undefined));
  const writes = [queue.submit(change('a'))];
  await expect.poll(() => commits.length).toBe(1);
  const deviation = standingOf(policy('any', { phase: 'Failed' }));
  const reported = (names: number, length: number): Change => {
    const policies = Array.from({ length: names }, (_, i) => `${'x'.repeat(length)}${i}`);
    return { type: 'report', time: TIME, cluster: 'eu', report: report(1, { deviations: [{ deviation, policies }] }) };
  };
  // Twice two fit by their names, and then no two of 5 MB do.
  for (let i = 0; i < 4; i += 1) writes.push(queue.submit(reported(9_000, 1)));
  for (let i = 0; i < 3; i += 1) writes.push(queue.submit(reported(5_000, 1_000)));
  first.resolve(undefined);
  await Promise.all(writes);
  expect(commits.slice(1).map(({ reasons }) => reasons.length)).toEqual([2, 2, 1, 1, 1]);
});

it('counts of deviations what is written', () => {
  const deviations = ['Failed', 'Pending'].map((phase, at) => ({
    deviation: { ...standingOf(policy('any')), phase: phase as 'Failed' | 'Pending' },
    policies: Array.from({ length: 1_000 }, (_, i) => `policy-${at}-${i}`),
  }));
  const of = (groups: typeof deviations) =>
    prepareChange({ type: 'report', time: TIME, cluster: 'eu', report: report(1, { deviations: groups }) });
  expect(of(deviations).rows - of([]).rows).toBe(2_000);
  expect(Math.abs(of(deviations).size - of([]).size - JSON.stringify(deviations).length)).toBeLessThan(100);
});

it('a database that is away gets the same batch under the same number until it is back', async () => {
  let failures = 3;
  const { queue, commits } = openQueue(() => {
    failures -= 1;
    return failures >= 0 ? sqlError('57P01') : undefined;
  });
  await queue.submit(change('a'));
  await queue.submit(change('b'));
  expect(commits).toEqual([...Array.from({ length: 4 }, () => ({ reasons: ['a'], number: 1 })), { reasons: ['b'], number: 2 }]);
});

it('a full queue holds its writers, in their order', async () => {
  const back = Promise.withResolvers<undefined>();
  const { queue, commits } = openQueue((_reasons, number) => (number === 1 ? back.promise : undefined), 2);
  const done: string[] = [];
  const writes = ['a', 'b', 'c', 'd', 'e', 'f'].map((reason) => queue.submit(change(reason)).then(() => done.push(reason)));
  await expect.poll(() => commits.length).toBe(1);
  expect(done).toEqual([]);
  back.resolve(undefined);
  await Promise.all(writes);
  expect(commits.flatMap(({ reasons }) => reasons)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  expect(Math.max(...commits.map(({ reasons }) => reasons.length))).toBeLessThanOrEqual(2);
});

it('however often a cluster comes and goes while the database is away, two changes wait: that it came, and how it is', async () => {
  const back = Promise.withResolvers<undefined>();
  const { queue, commits } = openQueue((_reasons, number) => (number === 1 ? back.promise : undefined));
  const writes = [queue.submit(change('a'))];
  await expect.poll(() => commits.length).toBe(1);
  for (let i = 0; i < 100; i += 1) {
    for (const value of [true, true, false]) writes.push(queue.submit(connected('eu', value)));
    for (const value of [false, true]) writes.push(queue.submit(connected('us', value)));
  }
  back.resolve(undefined);
  await Promise.all(writes);
  expect(commits[1]?.reasons).toEqual(['eu true', 'eu false', 'us true', 'us true']);
});

it('does not fold what has another change of the cluster between, and takes the time of the newest', async () => {
  const times: string[] = [];
  const back = Promise.withResolvers<void>();
  const commit = async (changes: readonly PreparedChange[]): Promise<void> => {
    times.push(...changes.map((one) => `${reasonOf(one.change)} ${one.change.time}`));
    await back.promise;
  };
  const queue = new WriteQueue({ commit, cut: () => undefined, clock: systemClock, random: () => 0, logger: pino({ level: 'silent' }) });
  const writes = [queue.submit(change('a'))];
  await expect.poll(() => times.length).toBe(1);
  const between: Change = { type: 'offered', time: TIME, cluster: 'eu', revision: 'r' };
  for (const one of [connected('eu', true), connected('eu', true, 'later'), between, connected('eu', true)]) writes.push(queue.submit(one));
  back.resolve();
  await Promise.all(writes);
  expect(times.slice(1)).toEqual(['eu true later', `offered ${TIME}`, `eu true ${TIME}`]);
});

it('a stream that opens while the database is away still opens, whatever it says after that', async () => {
  const opened: (readonly [string | undefined, boolean | undefined, boolean])[] = [];
  const back = Promise.withResolvers<void>();
  const commit = async (changes: readonly PreparedChange[]): Promise<void> => {
    for (const { change: one } of changes) if (one.type === 'connected') opened.push([one.stream?.id, one.opens, one.connected]);
    await back.promise;
  };
  const queue = new WriteQueue({ commit, cut: () => undefined, clock: systemClock, random: () => 0, logger: pino({ level: 'silent' }) });
  const by = (id: string, value: boolean, opens?: true): Change => ({
    type: 'connected',
    time: TIME,
    cluster: 'eu',
    connected: value,
    stream: { id, isOpen: () => true },
    ...(opens && { opens }),
  });
  const writes = [queue.submit(by('a', true, true))];
  await expect.poll(() => opened.length).toBe(1);
  for (const one of [by('b', true, true), by('b', true), by('b', false), by('c', true, true), by('c', true)])
    writes.push(queue.submit(one));
  back.resolve();
  await Promise.all(writes);
  expect(opened.slice(1)).toEqual([
    ['b', true, true],
    ['c', true, true],
  ]);
});

it.each<[what: string, changes: readonly [stream: string, connected: boolean, opens?: true][]]>([
  [
    'comes back and goes again',
    [
      ['a', false],
      ['b', true, true],
      ['b', false],
    ],
  ],
  [
    'is replaced twice, and goes',
    [
      ['b', true, true],
      ['a', false],
      ['c', true, true],
      ['b', false],
      ['c', false],
    ],
  ],
  [
    'is replaced and goes, and the older end is noticed last',
    [
      ['b', true, true],
      ['b', false],
      ['a', false],
    ],
  ],
])('a cluster that %s while the database is away is not connected', async (_what, changes) => {
  const written: PreparedChange[] = [];
  const back = Promise.withResolvers<void>();
  const commit = async (batch: readonly PreparedChange[]): Promise<void> => {
    written.push(...batch);
    await back.promise;
  };
  const queue = new WriteQueue({ commit, cut: () => undefined, clock: systemClock, random: () => 0, logger: pino({ level: 'silent' }) });
  const writes = [queue.submit(change('first'))];
  await expect.poll(() => written.length).toBe(1);
  for (const [id, value, opens] of changes)
    writes.push(
      queue.submit({
        type: 'connected',
        time: TIME,
        cluster: 'eu',
        connected: value,
        stream: { id, isOpen: () => false },
        ...(opens && { opens }),
      }),
    );
  back.resolve();
  await Promise.all(writes);
  const before = { record: { ...unseen('eu'), connected: true }, connectedBy: 'here', stream: 'a', version: 1, writtenSeen: null };
  const quotaOf = () => ({ policies: 1, whole: 1, bytes: 1_000 });
  const stored = { source: null, desired: null, cluster: () => before, record: () => undefined, quotaOf, lists: new PolicyLists() };
  const batch = planBatch(written.slice(1), stored, 'here');
  expect(batch.clusters.get('eu')?.after.record.connected).toBe(false);
});

it('closing refuses what a database that is away keeps waiting', async () => {
  const { queue } = openQueue(() => sqlError('ECONNREFUSED'));
  const write = queue.submit(change('a')).catch((error: unknown) => error);
  await queue.close();
  expect(String(await write)).toContain('the ledger is closed');
  await expect(queue.submit(change('b'))).rejects.toThrow('the ledger is closed');
});

it('closing ends a commit that hangs, and what it would have written is refused', async () => {
  const hanging = Promise.withResolvers<Error>();
  const { queue, commits } = openQueue(
    () => hanging.promise,
    10_000,
    () => hanging.resolve(sqlError('ECONNRESET')),
  );
  const write = queue.submit(change('a')).catch((error: unknown) => error);
  await expect.poll(() => commits.length).toBe(1);
  await queue.close();
  expect([String(await write), commits.length]).toEqual([expect.stringContaining('the ledger is closed'), 1]);
});

it('refuses more writers than may wait for room, and goes on with those that wait', async () => {
  const away = { is: true as boolean };
  const committed: number[] = [];
  const commit = async (changes: readonly unknown[]): Promise<void> => {
    if (away.is) throw sqlError('ECONNREFUSED');
    committed.push(changes.length);
  };
  const queue = new WriteQueue({
    commit,
    cut: () => undefined,
    clock: systemClock,
    random: () => 0,
    logger: pino({ level: 'silent' }),
    maxQueued: 2,
    maxWaiting: 3,
  });
  const writes = ['first', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => queue.submit(change(name)));
  const ends = Promise.allSettled(writes);
  await expect.poll(() => queue.health().ok).toBe(false);
  away.is = false;
  const refused = (await ends).filter(({ status }) => status === 'rejected');
  expect(refused.map((end) => 'reason' in end && String(end.reason))).toEqual(
    refused.map(() => expect.stringContaining('too many writes wait for the database')),
  );
  expect([refused.length > 0, committed.reduce((sum, count) => sum + count, 0)]).toEqual([true, 8 - refused.length]);
  await queue.close();
});

it('knows by a refusal that the database answers again', async () => {
  const unanswered: number[] = [];
  const { queue } = openQueue(() => {
    unanswered.push(queue.unanswered);
    return unanswered.length > 2 ? sqlError('22021') : Object.assign(new Error('no connection'), { code: 'ECONNRESET' });
  });
  await expect(queue.submit(change('bad'))).rejects.toThrow('no');
  expect([unanswered, queue.unanswered, queue.health()]).toEqual([[0, 1, 2], 0, { ok: true }]);
});
