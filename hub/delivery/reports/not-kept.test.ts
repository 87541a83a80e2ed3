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

it('an agent with more than the hub keeps is not asked for everything again and again', async () => {
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

it('one event an hour says so, and the cluster is kept back for a moment', async () => {
  const { clock, budget, say, events } = createStream();
  await say({ full: true, policies: locals(0, 20) });
  expect([await events(), budget.blockedMs()]).toEqual([['ReportsDropped'], 1_000]);
  await clock.advance(1_000);
  await say({ policies: locals(20, 30) });
  expect([await events(), budget.blockedMs()]).toEqual([['ReportsDropped'], 0]);
  await clock.advance(HOUR_MS);
  await say({ policies: locals(30, 40) });
  expect([await events(), budget.blockedMs()]).toEqual([['ReportsDropped', 'ReportsDropped'], 1_000]);
});

it('what was left out is asked for once there is room again', async () => {
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

it('what comes again and again without fitting is asked for once a minute at most', async () => {
  const { clock, sent, say } = createStream();
  const large = locals(0, 4).map((report) => ({ ...report, message: 'x'.repeat(30_000), namespaces: Array(10_000).fill('n'.repeat(60)) }));
  await say({ full: true, policies: large });
  for (let at = 0; at < 3; at += 1) {
    await say({ full: true, policies: large });
    await say({ policies: locals(10, 11) });
  }
  const asked = () => sent.filter((type) => type === 'resync').length;
  expect(asked()).toBe(1);
  await clock.advance(60_000);
  await say({ full: true, policies: large });
  expect(asked()).toBe(2);
});
