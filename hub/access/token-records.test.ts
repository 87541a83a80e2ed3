import { expect, it } from 'vitest';
import { fixedClock, TIME } from '../ledger/fixtures.ts';
import { createMemoryLedger } from '../ledger/index.ts';
import { createTokenRecords } from './token-records.ts';

it('API tokens in the ledger: added, used and removed', async () => {
  const { records } = createMemoryLedger({ clock: fixedClock });
  const store = createTokenRecords(records);
  const token = {
    id: 't1',
    name: 'ci',
    role: 'viewer' as const,
    hash: 'h',
    createdBy: 'ada',
    createdAt: TIME,
    expiresAt: TIME,
    lastUsedAt: null,
  };
  await store.add(token);
  expect(await store.find('t1')).toEqual(token);
  await store.used('t1', TIME);
  await store.used('none', TIME);
  expect(await createTokenRecords(records).list()).toEqual([{ ...token, lastUsedAt: TIME }]);
  expect([await store.remove('t1'), await store.remove('t1'), await store.list()]).toEqual([true, false, []]);
});
