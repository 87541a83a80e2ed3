import { FakeClock } from '@fso/shared/fake-clock';
import { beforeEach, expect, it } from 'vitest';
import { baselineOf } from '../../../test/harness/baselines.ts';
import { neverSeenCluster } from '../changes.ts';
import { LedgerCache } from '../ledger-cache.ts';
import { PolicyList, PolicyLists } from '../policies/index.ts';
import type { ChangeInput } from '../writes.ts';
import type { Database } from './database.ts';
import { ListStore } from './list-store.ts';
import { listQueries, makeListRow } from './policy-lists.ts';
import { openTestDatabase } from './testing/open-test-database.ts';

const [A, B, C] = ['a', 'b', 'c'].map((letter) => letter.repeat(64)) as [string, string, string];

let database: Database;
beforeEach(async () => {
  database = await openTestDatabase('list-store');
});

/** A store that counts its reads. */
const openStore = () => {
  const clock = new FakeClock();
  const cache = new LedgerCache(10);
  const submitted: ChangeInput[] = [];
  let reads = 0;
  let fails = false;
  const watched = database.reads.withPlugin({
    transformQuery: ({ node }) => {
      reads += 1;
      if (fails) throw new Error('the database is away');
      return node;
    },
    transformResult: async ({ result }) => result,
  });
  const submit = async (change: ChangeInput): Promise<void> => void submitted.push(change);
  const store = new ListStore({ lists: new PolicyLists(), reads: watched, cache, clock, submit });
  return {
    ...{ clock, cache, store, submitted },
    failing: (isAway: boolean) => {
      fails = isAway;
    },
    /** @returns whether the list was found, and reads until then */
    find: async (digest: string, cluster = 'eu') => [(await store.find(digest, cluster)) !== undefined, reads] as const,
  };
};

/** Writes a list as another hub does. */
const write = (digest: string): Promise<void> =>
  database.db.transaction().execute(async (trx) => {
    const row = makeListRow({ list: new PolicyList(digest, []), base: undefined }, '2026-01-01T00:00:00.000Z');
    for (const query of listQueries([row], trx, 1)) await trx.executeQuery(query);
  });

it('looks a missing list up once a minute for each cluster that names it', async () => {
  const { clock, find } = openStore();
  expect(await find(A)).toEqual([false, 1]);
  await clock.advance(59_999);
  expect([await find(A), await find(A, 'us')]).toEqual([
    [false, 1],
    [false, 2],
  ]);
  await write(A);
  await clock.advance(1);
  expect([await find(A), await find(A)]).toEqual([
    [true, 3],
    [true, 3],
  ]);
});

it('looks up another list for the same cluster a second after a missing one, with any name', async () => {
  const { clock, find } = openStore();
  await write(C);
  expect([await find(A), await find(B), await find(C)]).toEqual([
    [false, 1],
    [false, 1],
    [false, 1],
  ]);
  await clock.advance(1_000);
  expect(await find(C)).toEqual([true, 2]);
  await write(B);
  // After one that was found at once.
  expect(await find(B)).toEqual([true, 3]);
});

it('looks a list up once at a time, and again soon after a failure', async () => {
  const { clock, find, failing } = openStore();
  await write(A);
  failing(true);
  const looking = find(A);
  expect(await find(A)).toEqual([false, 1]);
  await expect(looking).rejects.toThrow('away');
  failing(false);
  expect(await find(A)).toEqual([false, 1]);
  await clock.advance(1_000);
  expect(await find(A)).toEqual([true, 2]);
});

it('shows the clusters that have a list by it, once it is read', async () => {
  const { cache, find, submitted } = openStore();
  await write(A);
  for (const [name, list] of [
    ['eu', A],
    ['us', A],
    ['apac', B],
  ] as const)
    cache.set({ ...neverSeenCluster(name), connected: true, baseline: baselineOf(list) });
  expect(await find(A, 'us')).toEqual([true, 1]);
  expect(submitted).toEqual([
    { type: 'relist', cluster: 'eu' },
    { type: 'relist', cluster: 'us' },
  ]);
});
