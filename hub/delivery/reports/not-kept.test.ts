import { expect, it } from 'vitest';
import { policyReport } from '../../../test/harness/policy-reports.ts';
import { reportLimits } from '../../ledger/report-quota.ts';
import { createReportStream } from '../testing/report-stream.ts';

const HOUR_MS = 3_600_000;

/** A stream of a cluster that may have 16 local policies. */
const createStream = () => {
  const stream = createReportStream({ reports: { ...reportLimits(), policies: 16, clusterBytes: 1_500_000 } });
  const { ledger } = stream;
  const events = async () => (await ledger.events({ limit: 100 })).map(({ reason }) => reason);
  const kept = async () => {
    const record = await ledger.cluster('eu');
    return [record?.policies.size, record?.notKept];
  };
  return { ...stream, events, kept };
};

const locals = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) =>
    policyReport(`p${from + at}`, { namespace: 'team', managedBy: 'local', lastUpdated: '2026-01-03T10:30:00Z' }),
  );

it('does not request everything again and again from an agent with more than the hub keeps', async () => {
  const { clock, sent, say, compare, kept } = createStream();
  await say({ full: true, policies: locals(0, 20) });
  for (let at = 0; at < 5; at += 1) {
    await clock.advance(HOUR_MS);
    await compare();
    await say({ policies: locals(20 + at, 21 + at) });
  }
  expect(await kept()).toEqual([16, 9]);
  expect(sent.filter((type) => type === 'resync')).toEqual([]);
});

it('reports it in one event an hour, and delays the cluster for a moment', async () => {
  const { clock, budget, say, events } = createStream();
  await say({ full: true, policies: locals(0, 20) });
  expect([await events(), budget.strikes.leftMs()]).toEqual([['ReportsDropped'], 1_000]);
  await clock.advance(1_000);
  await say({ policies: locals(20, 30) });
  expect([await events(), budget.strikes.leftMs()]).toEqual([['ReportsDropped'], 0]);
  await clock.advance(HOUR_MS);
  await say({ policies: locals(30, 40) });
  expect([await events(), budget.strikes.leftMs()]).toEqual([['ReportsDropped', 'ReportsDropped'], 1_000]);
});

it('requests what was left out once there is room again', async () => {
  const { sent, say, sayAll, compare, kept } = createStream();
  await say({ full: true, policies: locals(0, 20) });
  await say({ removed: ['team/p0'] });
  await compare();
  expect(sent).toEqual(['reported', 'reported']);
  await say({ removed: ['team/p1', 'team/p2', 'team/p3'] });
  expect([sent, await kept()]).toEqual([
    ['reported', 'reported', 'reported', 'resync'],
    [12, 4],
  ]);
  await sayAll();
  expect(await kept()).toEqual([16, null]);
  // From here on the digests are compared again, and agree.
  await compare();
  await say({ removed: ['team/p4'] });
  await compare();
  expect(sent.slice(4)).toEqual(['reported', 'reported']);
});

it('requests at most once a minute what repeatedly does not fit', async () => {
  const { clock, sent, say } = createStream();
  const asked = () => sent.filter((type) => type === 'resync').length;
  const comeAndGo = async () => {
    await say({ full: true, policies: locals(0, 20) });
    await say({ removed: ['team/p0', 'team/p1', 'team/p2', 'team/p3'] });
  };
  for (let at = 0; at < 3; at += 1) await comeAndGo();
  expect(asked()).toBe(1);
  await clock.advance(60_000);
  await comeAndGo();
  expect(asked()).toBe(2);
});

it('never requests what cannot fit, with any room', async () => {
  const { clock, sent, say, kept } = createStream();
  const large = locals(0, 1).map((report) => ({ ...report, namespaces: Array(20_000).fill('n'.repeat(60)) }));
  await say({ full: true, policies: [...large, ...locals(1, 3)] });
  for (let at = 3; at < 6; at += 1) {
    await clock.advance(HOUR_MS);
    await say({ policies: locals(at, at + 1) });
  }
  expect([await kept(), sent.filter((type) => type === 'resync')]).toEqual([[5, 1], []]);
});

it('drops local policies for a policy of the hub that is still to be removed', async () => {
  const { ledger, say, kept } = createStream();
  await say({ full: true, policies: locals(0, 16) });
  await say({ policies: [policyReport('old', { namespace: 'fso' })] });
  expect([await kept(), (await ledger.cluster('eu'))?.divergedSince]).toEqual([[17, null], null]);
});
