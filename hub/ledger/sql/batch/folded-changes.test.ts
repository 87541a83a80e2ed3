import { setImmediate } from 'node:timers/promises';
import { systemClock } from '@fso/shared/runtime';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { type Change, neverSeenCluster } from '../../changes.ts';
import { PolicyLists } from '../../policies/index.ts';
import { TIME } from '../../testing/ledger.ts';
import { planBatch } from './plan-batch.ts';
import { type PreparedChange, prepareChange } from './prepared-change.ts';
import { change, connected, openQueue, reasonOf } from './testing/queues.ts';
import { WriteQueue } from './write-queue.ts';

it('keeps two changes of a cluster while the database is away: that it connected, and its latest state', async () => {
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

it('does not fold over another change of the cluster, and keeps the newest time', async () => {
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

it('opens a stream that opened while the database is away, before any later messages', async () => {
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
])('shows a cluster as disconnected that %s while the database is away', async (_what, changes) => {
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
  const before = {
    record: { ...neverSeenCluster('eu'), connected: true },
    connectedBy: 'here',
    stream: 'a',
    version: 1,
    writtenSeen: null,
  };
  const quotaOf = () => ({ policies: 1, whole: 1, bytes: 1_000 });
  const stored = { source: null, desired: null, cluster: () => before, record: () => undefined, quotaOf, lists: new PolicyLists() };
  const batch = await planBatch(written.slice(1), stored, 'here');
  expect(batch.clusters.get('eu')?.after.record.connected).toBe(false);
});

it('is planned in slices of time, with others in between', async () => {
  const records = new Map(['eu', 'us', 'ap'].map((name) => [name, { ...neverSeenCluster(name), connected: true }]));
  const stored = {
    source: null,
    desired: null,
    cluster: (name: string) => ({
      record: records.get(name) ?? neverSeenCluster(name),
      connectedBy: 'here',
      stream: null,
      version: 1,
      writtenSeen: null,
    }),
    record: () => undefined,
    // Takes longer than a slice.
    quotaOf: () => {
      for (const until = performance.now() + 20; performance.now() < until; );
      return { policies: 1, whole: 1, bytes: 1_000 };
    },
    lists: new PolicyLists(),
  };
  const over = new AbortController();
  const planning = planBatch(
    [...records.keys()].map((name) => prepareChange(connected(name, false))),
    stored,
    'here',
  ).finally(() => over.abort());
  let turns = 0;
  for (; !over.signal.aborted; turns += 1) await setImmediate();
  expect([...(await planning).clusters.keys()]).toEqual(['eu', 'us', 'ap']);
  expect(turns).toBeGreaterThanOrEqual(records.size);
});
