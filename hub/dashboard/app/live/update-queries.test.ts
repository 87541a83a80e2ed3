import type { ClusterView, StatusView, StreamEvent } from '@fso/shared/api';
import { InfiniteQueryObserver, QueryClient, QueryObserver } from '@tanstack/react-query';
import { describe, expect, it } from 'vitest';
import { keys } from '../../api/keys.ts';
import { rereadMeta } from '../../api/queries.ts';
import { createRefreshRounds } from './refresh-rounds.ts';
import { type Key, readAgain, staleKeys, writeEvent } from './update-queries.ts';

const texts = (event: StreamEvent): string[] => staleKeys(event).map((key) => key.join('/'));

describe('an event', () => {
  it('invalidates the queries that show its policy', () => {
    const some = texts({ event: 'policy', data: { cluster: 'eu', policies: ['finance'] } });
    expect(some).toEqual(expect.arrayContaining(['policies/one/finance', 'policies/details/finance']));
    expect(some).toContain('violations');
    expect(some).toContain('policies/cluster/eu');
    expect(some).not.toContain('policy-texts');
    expect(texts({ event: 'policy', data: { cluster: null, policies: null } })).toEqual(
      expect.arrayContaining(['policies/one', 'policies/details', 'policies/cluster', 'policy-texts']),
    );
  });

  it('updates the count of alerts, and invalidates their lists', () => {
    const client = new QueryClient();
    const event = { event: 'alerts', data: { critical: 0, warning: 2, info: 1, silenced: 4 } } as const;
    writeEvent(client, event);
    expect(client.getQueryData(keys.alerts.firing)).toEqual({ total: 3, worst: 'warning' });
    expect(texts(event)).toEqual(['alerts/list', 'alerts/silences', 'alerts/receivers']);
    writeEvent(client, { event: 'alerts', data: { critical: 0, warning: 0, info: 0, silenced: 4 } });
    expect(client.getQueryData(keys.alerts.firing)).toEqual({ total: 0, worst: undefined });
  });

  it('invalidates the rollout where a cluster, a commit or what happened may have moved it', () => {
    const commit = { commit: { revision: 'a1' } } as Extract<StreamEvent, { event: 'commit' }>['data'];
    const happened = { reason: 'RolloutHalted' } as Extract<StreamEvent, { event: 'event' }>['data'];
    expect(texts({ event: 'cluster', data: { name: 'eu' } as ClusterView })).toContain('rollout');
    expect(texts({ event: 'commit', data: commit })).toContain('rollout');
    expect(texts({ event: 'event', data: happened })).toContain('rollout');
  });

  it('invalidates everything on a reset', async () => {
    const client = new QueryClient();
    client.setQueryData(keys.status, {});
    client.setQueryData(keys.clusters.one('eu'), {});
    await readAgain(client, staleKeys({ event: 'reset', data: {} }));
    expect(
      client
        .getQueryCache()
        .getAll()
        .every(({ state }) => state.isInvalidated),
    ).toBe(true);
  });

  it('writes a whole cluster or status into the queries that show it', () => {
    const client = new QueryClient();
    const cluster = (name: string) => ({ event: 'cluster', data: { name, violations: 2 } as ClusterView }) as const;
    client.setQueryData(keys.clusters.one('eu'), { name: 'eu', violations: 1 });
    writeEvent(client, cluster('eu'));
    writeEvent(client, cluster('us'));
    expect(client.getQueryData(keys.clusters.one('eu'))).toEqual({ name: 'eu', violations: 2 });
    expect(client.getQueryData(keys.clusters.one('us'))).toBeUndefined();
    writeEvent(client, { event: 'status', data: { violations: 3, source: { ref: 'main' } } as StatusView });
    writeEvent(client, { event: 'source', data: { ref: 'next' } as StatusView['source'] });
    expect(client.getQueryData(keys.status)).toEqual({ violations: 3, source: { ref: 'next' } });
  });
});

/** Answers that the test gives, one call after the other. */
const createAnswers = <T>() => {
  const waiting: ((answer: T) => void)[] = [];
  return { ask: () => new Promise<T>((resolve) => waiting.push(resolve)), give: (answer: T) => waiting.shift()?.(answer), waiting };
};
const asked = (answers: { readonly waiting: readonly unknown[] }): Promise<void> => expect.poll(() => answers.waiting).toHaveLength(1);

describe('visible data', () => {
  it('is read again after a first read that a change overtook', async () => {
    const client = new QueryClient();
    const answers = createAnswers<string>();
    const stop = new QueryObserver(client, { queryKey: ['violations', 'one'], queryFn: answers.ask }).subscribe(() => undefined);
    const again = readAgain(client, [['violations']]);
    answers.give('before');
    await asked(answers);
    answers.give('after');
    await again;
    expect(client.getQueryData(['violations', 'one'])).toBe('after');
    stop();
  });

  it('is requested again where an older response may arrive after an event', () => {
    const client = new QueryClient();
    const answers = createAnswers<ClusterView>();
    const stop = new QueryObserver(client, { queryKey: keys.clusters.one('eu'), queryFn: answers.ask }).subscribe(() => undefined);
    const event = { event: 'cluster', data: { name: 'eu' } as ClusterView } as const;
    expect(writeEvent(client, event)).toEqual([keys.clusters.one('eu')]);
    stop();
  });

  it('stays where the reader requests it, or no event names it', async () => {
    const client = new QueryClient();
    for (const key of [keys.report, keys.audit.verification, keys.session]) client.setQueryData(key, {});
    await readAgain(client, staleKeys({ event: 'reset', data: {} }));
    expect(
      client
        .getQueryCache()
        .getAll()
        .some(({ state }) => state.isInvalidated),
    ).toBe(false);
  });

  const PAGES = 5;
  const longList = async () => {
    const client = new QueryClient();
    const rowsOfFirst = ['a0', 'a1'];
    const first = () => Promise.resolve({ items: [...rowsOfFirst], total: 10, next: '1' });
    const calls: (string | null)[] = [];
    const observer = new InfiniteQueryObserver(client, {
      queryKey: ['clusters', 'list'],
      initialPageParam: null as string | null,
      queryFn: ({ pageParam }) => {
        calls.push(pageParam);
        const page = Number(pageParam ?? 0);
        return page === 0 ? first() : Promise.resolve({ items: [`a${2 * page}`, `a${2 * page + 1}`], total: 10, next: String(page + 1) });
      },
      getNextPageParam: ({ next }) => next,
      meta: rereadMeta(first, (row: string) => row),
    });
    const stop = observer.subscribe(() => undefined);
    await observer.refetch();
    for (let page = 1; page < PAGES; page += 1) await observer.fetchNextPage();
    const rows = () => observer.getCurrentResult().data?.pages.flatMap(({ items }) => items) ?? [];
    return { client, calls, rows, stop, observer, rowsOfFirst };
  };

  it('shows new rows at the top of a long list, without reading all of it', async () => {
    const { client, calls, rows, stop, observer, rowsOfFirst } = await longList();
    calls.length = 0;
    rowsOfFirst[0] = 'new';
    await readAgain(client, [['clusters']]);
    expect(rows().slice(0, 4)).toEqual(['new', 'a1', 'a2', 'a3']);
    expect(rows()).toHaveLength(2 * PAGES);
    expect(calls).toEqual([]);
    // The reader can have the rest read again.
    expect(observer.getCurrentResult().isStale).toBe(true);
    stop();
  });

  it('continues to be read while changes arrive', async () => {
    const { client, rows, stop, observer } = await longList();
    const next = observer.fetchNextPage();
    await Promise.all([next, readAgain(client, [['clusters']])]);
    expect(rows()).toHaveLength(2 * PAGES + 2);
    stop();
  });
});

/** Time that passes as sleeps ask for it, in their order. */
const createTime = () => {
  let at = 0;
  const sleepers: { readonly due: number; readonly wake: () => void }[] = [];
  return {
    now: () => at,
    sleep: (ms: number) => new Promise<void>((wake) => sleepers.push({ due: at + ms, wake })),
    pass: async (ms: number): Promise<void> => {
      for (const end = at + ms; at < end; at += 10) {
        for (const { wake } of sleepers.filter(({ due }) => due <= at)) wake();
        sleepers.splice(0, sleepers.length, ...sleepers.filter(({ due }) => due > at));
        for (let i = 0; i < 10; i += 1) await Promise.resolve();
      }
    },
  };
};

describe('a storm of changes', () => {
  it('is read in a few batches, each key once, and none is lost', async () => {
    const time = createTime();
    const rounds: { at: number; keys: readonly Key[] }[] = [];
    const later = createRefreshRounds({ ...time, round: async (old) => void rounds.push({ at: time.now(), keys: old }) });
    for (let i = 0; i < 200; i += 1) {
      later([
        ['policies', 'list'],
        ['clusters', String(i % 3)],
      ]);
      await time.pass(10);
    }
    later([['last']]);
    await time.pass(2000);
    expect(rounds[0]?.at).toBeLessThanOrEqual(50);
    expect(rounds.length).toBeLessThanOrEqual(9);
    expect(rounds.every(({ keys: read }) => read.length <= 5)).toBe(true);
    expect(rounds.slice(1).every(({ at }, index) => at - (rounds[index]?.at ?? 0) >= 300)).toBe(true);
    expect(rounds.flatMap(({ keys: read }) => read.map(([first]) => first))).toContain('last');
  });

  it('waits for slow responses, up to a limit', async () => {
    const time = createTime();
    const starts: number[] = [];
    const later = createRefreshRounds({
      ...time,
      round: () => {
        starts.push(time.now());
        return starts.length === 1 ? time.sleep(700) : new Promise(() => undefined);
      },
    });
    later([['a']]);
    await time.pass(100);
    later([['b']]);
    await time.pass(2000);
    later([['c']]);
    await time.pass(8000);
    expect(starts.length).toBe(3);
    expect((starts[1] ?? 0) - (starts[0] ?? 0)).toBeGreaterThanOrEqual(1400);
    expect((starts[2] ?? 0) - (starts[1] ?? 0)).toBeGreaterThanOrEqual(6000);
  });

  it('starts again after its end', async () => {
    const time = createTime();
    const rounds: number[] = [];
    const later = createRefreshRounds({ ...time, round: async () => rounds.push(time.now()) });
    later([['a']]);
    await time.pass(2000);
    later([]);
    await time.pass(1000);
    later([['a']]);
    await time.pass(1000);
    expect(rounds).toHaveLength(2);
  });
});
