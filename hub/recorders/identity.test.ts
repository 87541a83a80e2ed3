import { FakeClock } from '@fso/shared/fake-clock';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { recordIdentity } from './identity.ts';

const FROM = '203.0.113.7';

const open = (lines: string[] = []) => {
  const clock = new FakeClock();
  const ledger = createMemoryLedger({ clock });
  const record = recordIdentity({ ledger, clock, logger: pino({}, { write: (line) => void lines.push(line) }) });
  const refuse = (cluster: string | null, claimed?: string) =>
    record({ reason: 'EnrolmentRefused', cluster, claimed, from: FROM, message: 'No such token.' });
  const entries = async () =>
    (await ledger.audit.after(0, 1000)).map(({ actor, from, action, subject }) => [action, actor.id, subject, from]);
  return { clock, ledger, record, refuse, entries };
};

it('keeps changes of identities, which refusals never displace', async () => {
  const lines: string[] = [];
  const { clock, ledger, record, refuse } = open(lines);
  await record({ reason: 'ClusterEnrolled', cluster: 'eu', from: FROM, message: 'Enrolled.' });
  await record({ reason: 'CertificateRenewed', cluster: 'eu', from: FROM, message: 'Renewed.' });
  for (let i = 0; i < 100; i += 1) await refuse(null);
  await record({ reason: 'ClusterRevoked', cluster: 'eu', from: null, message: 'Revoked.' });
  await clock.advance(60_000);
  await refuse(null);
  const events = await ledger.events({ limit: 1000 });
  expect(events.map(({ reason, cluster }) => [reason, cluster])).toEqual([
    ['EnrolmentRefused', null],
    ['ClusterRevoked', 'eu'],
    ['EnrolmentRefused', null],
    ['ClusterEnrolled', 'eu'],
  ]);
  expect(lines.filter((line) => line.includes('EnrolmentRefused'))).toHaveLength(2);
});

it('records actions of agents and refused callers in the audit log, with their address', async () => {
  const { record, refuse, entries } = open();
  await record({ reason: 'EnrolmentTokenIssued', cluster: 'eu', from: null, message: 'Issued.' });
  await record({ reason: 'ClusterEnrolled', cluster: 'eu', from: FROM, message: 'Enrolled.' });
  await record({ reason: 'CertificateRenewed', cluster: 'eu', from: FROM, message: 'Renewed.' });
  // The refusals of one cluster do not hide those of another, and what is claimed does not hide
  // what is proven.
  for (let i = 0; i < 10; i += 1) for (const claimed of [undefined, 'eu', 'us']) await refuse(null, claimed);
  for (let i = 0; i < 10; i += 1) await refuse('eu');
  expect((await entries()).toSorted()).toEqual([
    ['cluster.enrol', 'eu', 'eu', FROM],
    ['cluster.refuse', 'eu', 'eu', FROM],
    ['cluster.refuse', 'unknown', '', FROM],
    ['cluster.refuse', 'unknown', 'eu', FROM],
    ['cluster.refuse', 'unknown', 'us', FROM],
    ['cluster.renew', 'eu', 'eu', FROM],
  ]);
});
