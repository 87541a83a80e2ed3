import type { ClusterView, StatusView, StreamEvent } from '@fso/shared/api';
import { QueryClient } from '@tanstack/react-query';
import { describe, expect, it } from 'vitest';
import { keys } from '../../api/keys.ts';
import { readAgain, writeEvent } from './apply-event.ts';
import { type Key, madeOld } from './invalidation.ts';
import { createPace } from './pace.ts';

const texts = (event: StreamEvent): string[] => madeOld(event).map((key) => key.join('/'));

describe('an event', () => {
  it('of a policy makes old what shows it', () => {
    const some = texts({ event: 'policy', data: { cluster: 'eu', policies: ['fso-system/finance'] } });
    expect(some).toContain('policies/one/fso-system/finance');
    expect(some).toContain('violations');
    expect(some).toContain('policies/cluster/eu');
    expect(some).not.toContain('policy-texts');
    expect(texts({ event: 'policy', data: { cluster: null, policies: null } })).toEqual(
      expect.arrayContaining(['policies/one', 'policies/cluster', 'policy-texts']),
    );
  });

  it('reset makes everything old', async () => {
    const client = new QueryClient();
    client.setQueryData(keys.status, {});
    client.setQueryData(keys.clusters.one('eu'), {});
    await readAgain(client, madeOld({ event: 'reset', data: {} }));
    expect(
      client
        .getQueryCache()
        .getAll()
        .every(({ state }) => state.isInvalidated),
    ).toBe(true);
  });

  it('that brings a cluster or the status whole is written, where it is shown', () => {
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
  it('is read in few rounds, each key once, and none is lost', async () => {
    const time = createTime();
    const rounds: { at: number; keys: readonly Key[] }[] = [];
    const later = createPace({ ...time, round: async (old) => void rounds.push({ at: time.now(), keys: old }) });
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

  it('waits for slow answers, and not for ever', async () => {
    const time = createTime();
    const starts: number[] = [];
    const later = createPace({
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

  it('that ended begins anew', async () => {
    const time = createTime();
    const rounds: number[] = [];
    const later = createPace({ ...time, round: async () => rounds.push(time.now()) });
    later([['a']]);
    await time.pass(2000);
    later([]);
    await time.pass(1000);
    later([['a']]);
    await time.pass(1000);
    expect(rounds).toHaveLength(2);
  });
});
