import { expect, it } from 'vitest';
import { fixedClock, TIME } from '../ledger/testing/ledger.ts';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { tokenRecord } from './testing/access.ts';
import { createTokenRecords } from './token-records.ts';

it('API tokens in the ledger: added, used and removed', async () => {
  const { records } = createMemoryLedger({ clock: fixedClock });
  const store = createTokenRecords(records);
  await store.add(tokenRecord);
  expect(await store.find('t1')).toEqual(tokenRecord);
  await store.used('t1', TIME);
  await store.used('none', TIME);
  expect(await createTokenRecords(records).list()).toEqual([{ ...tokenRecord, lastUsedAt: TIME }]);
  expect([await store.remove('t1'), await store.remove('t1'), await store.list()]).toEqual([true, false, []]);
});
