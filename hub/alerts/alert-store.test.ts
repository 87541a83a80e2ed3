import { FakeClock } from '@fso/shared/fake-clock';
import { describe, expect, it } from 'vitest';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { fire, identityOf, type StoredAlert } from './alert.ts';
import { AlertStore } from './alert-store.ts';

const DAY_MS = 86_400_000;
const identified = { name: 'ClusterAway', severity: 'warning', labels: { cluster: 'eu' } } as const;
const alertAt = (startsAt: number): StoredAlert =>
  fire({ ...identified, identity: identityOf(identified), details: '', isCurrent: true }, startsAt);

const open = () => {
  const { records } = createMemoryLedger({ clock: new FakeClock() });
  const unsettled = new Set<string>();
  return { store: new AlertStore(records, () => unsettled), unsettled };
};

describe('alerts in the ledger', () => {
  it("are not overwritten by a hub that has not read another hub's changes", async () => {
    const { store } = open();
    await store.begin([alertAt(2_000)], 2_000);
    await store.begin([alertAt(3_000)], 3_000);
    expect(store.list(3_000)).toMatchObject([{ startsAt: 2_000, endsAt: null }]);
    await store.change([{ ...alertAt(1_000), endsAt: 3_500 }], 3_500);
    expect(store.list(3_500)).toMatchObject([{ startsAt: 2_000, endsAt: null }]);
    await store.change([{ ...alertAt(2_000), endsAt: 4_000 }], 4_000);
    await store.change([{ ...alertAt(2_000), details: 'later' }], 5_000);
    expect(store.list(5_000)).toEqual([{ ...alertAt(2_000), endsAt: 4_000 }]);
    await store.begin([alertAt(6_000)], 6_000);
    expect(store.list(6_000)).toMatchObject([{ startsAt: 6_000, endsAt: null }]);
  });

  it('are kept for a day after their end, and until every receiver was notified', async () => {
    const { store, unsettled } = open();
    const alert = alertAt(0);
    unsettled.add(alert.fingerprint);
    await store.begin([alert], 0);
    await store.change([{ ...alert, endsAt: 1_000 }], 1_000);
    expect(store.list(3 * DAY_MS)).toHaveLength(1);
    unsettled.clear();
    expect([store.list(DAY_MS).length, store.list(3 * DAY_MS).length]).toEqual([1, 0]);
  });
});
