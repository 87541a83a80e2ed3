import { FakeClock } from '@fso/shared/runtime';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createMemoryLedger } from './ledger/index.ts';
import { recordIdentity } from './record-identity.ts';

it('keeps what happens to identities, and is not washed out by refusals', async () => {
  const clock = new FakeClock();
  const ledger = createMemoryLedger({ clock });
  const record = recordIdentity({ ledger, clock, logger: pino({ level: 'silent' }) });
  record({ reason: 'ClusterEnrolled', cluster: 'eu', message: 'Enrolled.' });
  record({ reason: 'CertificateRenewed', cluster: 'eu', message: 'Renewed.' });
  for (let i = 0; i < 100; i += 1) record({ reason: 'EnrolmentRefused', cluster: null, message: 'No such token.' });
  record({ reason: 'ClusterRevoked', cluster: 'eu', message: 'Revoked.' });
  await clock.advance(60_000);
  record({ reason: 'EnrolmentRefused', cluster: null, message: 'No such token.' });
  const events = await ledger.events({ limit: 1000 });
  expect(events.map(({ reason, cluster }) => [reason, cluster])).toEqual([
    ['EnrolmentRefused', null],
    ['ClusterRevoked', 'eu'],
    ['EnrolmentRefused', null],
    ['ClusterEnrolled', 'eu'],
  ]);
});
