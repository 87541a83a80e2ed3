import { expect, it } from 'vitest';
import { fixedClock } from '../ledger/testing/ledger.ts';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { revoke } from './enrolment-state.ts';
import { createEnrolmentStore } from './enrolment-store.ts';

const NOW = new Date('2026-01-03T10:30:00Z');

it('keeps enrolments by name, reports each change, and writes nothing for an empty or failed change', async () => {
  const { records } = createMemoryLedger({ clock: fixedClock });
  const store = createEnrolmentStore(records);
  const told: string[] = [];
  const end = store.subscribe((cluster) => told.push(cluster));
  for (const name of ['us', 'eu']) expect(await store.update(name, (before) => revoke(before, name, NOW))).toMatchObject({ cluster: name });
  const refuse = (): never => {
    throw new Error('no');
  };
  await expect(store.update('apac', refuse)).rejects.toThrow('no');
  await store.update('eu', (before) => before ?? refuse());
  end();
  expect(told).toEqual(['us', 'eu']);
  // Another one on the same records, as another hub has it.
  const other = createEnrolmentStore(records);
  expect((await other.list()).map(({ cluster, state }) => [cluster, state])).toEqual([
    ['eu', 'revoked'],
    ['us', 'revoked'],
  ]);
  expect(await other.get('apac')).toBeUndefined();
});
