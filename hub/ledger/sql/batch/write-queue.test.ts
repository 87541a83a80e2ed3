import { systemClock } from '@fso/shared/runtime';
import { standingOf } from '@fso/shared/status';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { Change } from '../../changes.ts';
import { policy, report, TIME } from '../../testing/ledger.ts';
import { BatchTooLargeError } from '../errors.ts';
import { prepareChange } from './prepared-change.ts';
import { change, openQueue, sqlError } from './testing/queues.ts';
import { WriteQueue } from './write-queue.ts';

it('commits together what arrives at once or during a commit', async () => {
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

it('refuses a change alone that the database can never accept', async () => {
  const { queue, commits } = openQueue((reasons) => (reasons.includes('bad') ? sqlError('22021') : undefined));
  const ends = await Promise.allSettled(['a', 'bad', 'b'].map((reason) => queue.submit(change(reason))));
  expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(commits.map(({ reasons }) => reasons)).toEqual([['a', 'bad', 'b'], ['a'], ['bad', 'b'], ['bad'], ['b']]);
  expect(queue.health()).toEqual({ ok: true });
});

it('finds one bad change among a thousand by halving', async () => {
  const { queue, commits } = openQueue((reasons) => (reasons.includes('r700') ? sqlError('54000') : undefined));
  const ends = await Promise.allSettled(Array.from({ length: 1_000 }, (_, i) => queue.submit(change(`r${i}`))));
  expect(ends.flatMap(({ status }, i) => (status === 'rejected' ? [i] : []))).toEqual([700]);
  expect(commits.length).toBeLessThan(25);
});

it('halves a batch that is too large for one transaction, and keeps its order', async () => {
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

it('bounds a batch by rows and by the size of its texts', async () => {
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

it('bounds a batch by the names of its deviations and by the size of their texts', async () => {
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
  for (let i = 0; i < 4; i += 1) writes.push(queue.submit(reported(2_000, 1)));
  for (let i = 0; i < 3; i += 1) writes.push(queue.submit(reported(1_000, 5_000)));
  first.resolve(undefined);
  await Promise.all(writes);
  expect(commits.slice(1).map(({ reasons }) => reasons.length)).toEqual([2, 2, 1, 1, 1]);
});

it('counts the written deviations', () => {
  const deviations = ['Failed', 'Pending'].map((phase, at) => ({
    deviation: { ...standingOf(policy('any')), phase: phase as 'Failed' | 'Pending' },
    policies: Array.from({ length: 1_000 }, (_, i) => `policy-${at}-${i}`),
  }));
  const of = (groups: typeof deviations) =>
    prepareChange({ type: 'report', time: TIME, cluster: 'eu', report: report(1, { deviations: groups }) });
  expect(of(deviations).rows - of([]).rows).toBe(2_000);
  expect(Math.abs(of(deviations).size - of([]).size - JSON.stringify(deviations).length)).toBeLessThan(100);
});

it('repeats the same batch under the same number while the database is away', async () => {
  let failures = 3;
  const { queue, commits } = openQueue(() => {
    failures -= 1;
    return failures >= 0 ? sqlError('57P01') : undefined;
  });
  await queue.submit(change('a'));
  await queue.submit(change('b'));
  expect(commits).toEqual([...Array.from({ length: 4 }, () => ({ reasons: ['a'], number: 1 })), { reasons: ['b'], number: 2 }]);
});

it('blocks writers of a full queue, in their order', async () => {
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

it('refuses on closing what waits for a database that is away', async () => {
  const { queue } = openQueue(() => sqlError('ECONNREFUSED'));
  const write = queue.submit(change('a')).catch((error: unknown) => error);
  await queue.close();
  expect(String(await write)).toContain('the ledger is closed');
  await expect(queue.submit(change('b'))).rejects.toThrow('the ledger is closed');
});

it.each([
  ['gathers more where several have come', ['b', 'c'], [1, 3]],
  ['begins at once with a single one', ['b'], [1, 1, 1]],
])('%s during a transaction', async (_what, names, sizes) => {
  const first = Promise.withResolvers<undefined>();
  const { queue, commits } = openQueue(() => first.promise);
  const writes = [queue.submit(change('a'))];
  await expect.poll(() => commits.length).toBe(1);
  writes.push(...names.map((name) => queue.submit(change(name))));
  first.resolve(undefined);
  await writes[0];
  // Without a turn of the event loop, no time that it waits can end.
  for (let step = 0; step < 50; step += 1) await Promise.resolve();
  writes.push(queue.submit(change('last')));
  await Promise.all(writes);
  expect(commits.map(({ reasons }) => reasons.length)).toEqual(sizes);
});

it('ends a hanging commit on closing, and refuses its writes', async () => {
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

it('refuses more writers than may wait for room, and continues with those that wait', async () => {
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

it('learns from a refusal that the database answers again', async () => {
  const unanswered: number[] = [];
  const { queue } = openQueue(() => {
    unanswered.push(queue.unanswered);
    return unanswered.length > 2 ? sqlError('22021') : Object.assign(new Error('no connection'), { code: 'ECONNRESET' });
  });
  await expect(queue.submit(change('bad'))).rejects.toThrow('no');
  expect([unanswered, queue.unanswered, queue.health()]).toEqual([[0, 1, 2], 0, { ok: true }]);
});
