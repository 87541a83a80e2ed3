import { expect, it } from 'vitest';
import { StreamReplacedError } from './changes.ts';
import { event, fixedClock, policy, report } from './testing/ledger.ts';
import { createMemoryLedger } from './testing/memory-ledger.ts';
import type { AgentStream } from './types.ts';

const stream = (id: string, open = true): AgentStream => ({ id, isOpen: () => open });
const [old, next] = [stream('old'), stream('next')];
const ACK = { revision: 'a'.repeat(40), digest: 'd' };

it('ignores and reports what arrives by an old stream after the new one has opened', async () => {
  const ledger = createMemoryLedger({ clock: fixedClock });
  await ledger.openStream('eu', old);
  await ledger.applyReport('eu', report(1, { full: true, policies: [policy('a')] }), old);
  await ledger.openStream('eu', next);
  await ledger.applyReport('eu', report(1, { full: true, policies: [policy('b')] }), next);
  const late = [
    () => ledger.applyReport('eu', report(2, { policies: [policy('a')], events: [event('Late')] }), old),
    () => ledger.setAck('eu', ACK, old),
    () => ledger.setNack('eu', { revision: ACK.revision, reasons: [{ message: 'late' }] }, old),
    () => ledger.setConnected('eu', true, old),
    () => ledger.setConnected('eu', false, old),
  ];
  for (const write of late) await expect(write()).rejects.toThrow(StreamReplacedError);
  const record = await ledger.cluster('eu');
  expect([...(record?.policies.keys() ?? [])]).toEqual(['policies/b']);
  expect(record).toMatchObject({ connected: true, acked: null, nack: null, reportedSeq: 1 });
  expect(await ledger.events({ limit: 5 })).toEqual([]);
  expect((await ledger.audit.list({ limit: 5 })).map(({ action }) => action)).toEqual(['cluster.connect']);
  // The one that speaks for the cluster is heard, also once it has ended.
  await ledger.setConnected('eu', false, next);
  await ledger.setAck('eu', ACK, next);
  expect(await ledger.cluster('eu')).toMatchObject({ connected: false, acked: ACK });
});

it('ignores a stream that ended before its hello was written', async () => {
  const ledger = createMemoryLedger({ clock: fixedClock });
  await ledger.openStream('eu', next);
  await expect(ledger.openStream('eu', stream('ended', false))).rejects.toThrow(StreamReplacedError);
  await ledger.setConnected('eu', true, next);
  await ledger.setConnected('eu', false, next);
  await ledger.openStream('eu', stream('ended', false));
  await expect(ledger.setConnected('eu', true, next)).rejects.toThrow(StreamReplacedError);
});
