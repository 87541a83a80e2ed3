import { FakeClock } from '@fso/shared/fake-clock';
import { expect, it } from 'vitest';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';
import type { Outcome } from '../receivers/receiver.ts';
import { ReceiverStatuses } from './receiver-status.ts';

it('writes the state of a receiver when it changes, and once a minute', async () => {
  const { records } = createMemoryLedger({ clock: new FakeClock() });
  let writes = 0;
  const statuses = new ReceiverStatuses({
    ...records,
    update: (...change) => {
      writes += 1;
      return records.update(...change);
    },
  });
  const note = (outcome: Outcome, nowMs: number): Promise<void> => statuses.note('chat', outcome, ['chat'], nowMs);
  const away: Outcome = { kind: 'failed', reason: 'HTTP 503' };
  for (let ms = 0; ms < 120_000; ms += 1_000) await note(away, ms);
  expect([writes, statuses.get('chat').lastFailure?.time]).toEqual([2, 60_000]);
  await note({ kind: 'failed', reason: 'HTTP 401' }, 119_500);
  await note({ kind: 'delivered', answer: '' }, 119_600);
  await note(away, 119_700);
  expect(writes).toBe(5);
});
