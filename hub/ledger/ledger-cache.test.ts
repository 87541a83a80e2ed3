import { expect, it } from 'vitest';
import { LedgerCache } from './ledger-cache.ts';
import { event } from './testing/ledger.ts';

it('accepts more events at once than a call can have arguments, keeps the newest and reports each', () => {
  const cache = new LedgerCache(10_000);
  let told = 0;
  cache.subscribe(({ kind }) => {
    if (kind === 'event') told += 1;
  });
  cache.addEvents(Array.from({ length: 200_000 }, (_, i) => ({ ...event('Many'), id: i + 1, cluster: null })));
  expect([cache.events({ limit: 300_000 }).length, cache.lastEvent(), told]).toEqual([10_000, 200_000, 200_000]);
  cache.addEvents([{ ...event('One'), id: 200_001, cluster: null }]);
  expect(cache.events({ limit: 2 }).map(({ id }) => id)).toEqual([200_001, 200_000]);
  expect(cache.hasAllEvents()).toBe(false);
});
