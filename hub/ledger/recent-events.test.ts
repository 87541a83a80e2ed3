import type { EventView } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { RecentEvents } from './recent-events.ts';
import { TIME } from './testing/ledger.ts';

const event = (id: number, cluster: string | null): EventView => ({ id, cluster, time: TIME, severity: 'info', reason: 'R', message: '' });
const ids = (events: readonly EventView[]): number[] => events.map(({ id }) => id);
const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('the newest events, in memory', () => {
  it('keep those of others while one cluster sends very many', () => {
    const recent = new RecentEvents(100);
    recent.add([event(1, 'us'), event(2, null), event(3, 'us')]);
    for (const id of numbers(4, 1000)) recent.add([event(id, 'eu')]);
    expect(ids(recent.find({ cluster: 'us', limit: 10 }))).toEqual([3, 1]);
    expect(ids(recent.find({ cluster: 'eu', limit: 50 }))).toEqual(numbers(951, 1000).reverse());
  });

  it('have no gaps: events of all clusters reach back only as far as none is missing', () => {
    const recent = new RecentEvents(10);
    recent.add([event(1, 'us')]);
    recent.add(numbers(2, 20).map((id) => event(id, 'eu')));
    recent.add([event(21, 'us'), event(22, 'eu'), event(23, 'us')]);
    const all = ids(recent.find({ limit: 100 }));
    expect(all[0]).toBe(23);
    expect(all).toEqual(numbers(all.at(-1) ?? 0, 23).reverse());
    expect(recent.isComplete).toBe(false);
  });

  it('keep their number, shared by any number of clusters', () => {
    const recent = new RecentEvents(10);
    for (const id of numbers(1, 40)) recent.add([event(id, `c${id % 20}`)]);
    expect(ids(recent.find({ limit: 100 }))).toEqual(numbers(31, 40).reverse());
  });

  it('begin again where as many arrive at once as there is room for', () => {
    const recent = new RecentEvents(10);
    recent.add([event(1, 'us')]);
    recent.add(numbers(100, 109).map((id) => event(id, 'eu')));
    expect(ids(recent.find({ cluster: 'us', limit: 100 }))).toEqual([]);
    expect(recent.last).toBe(109);
  });
});
