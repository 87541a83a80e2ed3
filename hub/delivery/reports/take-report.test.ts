import { expect, it } from 'vitest';
import { ReportedNames } from '../../../test/harness/baselines.ts';
import { policyReport } from '../../../test/harness/policy-reports.ts';
import { reportLimits } from '../../ledger/report-quota.ts';
import { allowAnswer } from '../frame-handlers.ts';
import { createReportStream } from '../testing/report-stream.ts';
import { acknowledge } from './take-report.ts';

const [a, b, c] = ['a', 'b', 'c'].map((name) => policyReport(name, { phase: 'Failed' })) as [
  ReturnType<typeof policyReport>,
  ReturnType<typeof policyReport>,
  ReturnType<typeof policyReport>,
];

/** Total of what the hub must have by name once it has these. */
const namesOf = (...policies: (typeof a)[]) => new ReportedNames().take({ full: true, policies, removed: [] });

const start = async (...options: Parameters<typeof createReportStream>) => {
  const stream = createReportStream(...options);
  await stream.ledger.openStream('eu', stream.context.stream);
  const read = async () => {
    const record = await stream.ledger.cluster('eu');
    return [[...(record?.policies.keys() ?? [])].join(' '), record?.notObserved?.what.join(' ')];
  };
  return { ...stream, read };
};

it('records the answer to an offer that comes with a report, in one write, also where the report is out of order', async () => {
  const { ledger, context, take, report, say } = await start();
  const [first, second, other] = ['a', 'b', 'c'].map((digit) => digit.repeat(40)) as [string, string, string];
  for (const revision of [first, second]) allowAnswer(context.state.commits, revision, 'offered');
  await say({ full: true, policies: [], ack: { revision: first, digest: 'd', heldMs: 7 } });
  expect((await ledger.cluster('eu'))?.acked).toEqual({ revision: first, digest: 'd', heldMs: 7 });
  const { changes } = await ledger.clusterHistory({ cluster: 'eu', policy: 'a', limit: 10 });
  expect(changes.filter(({ accepted }) => accepted !== undefined)).toHaveLength(1);
  report({});
  await take(report({ ack: { revision: second, digest: 'd' } }));
  expect(await ledger.cluster('eu')).toMatchObject({ acked: { revision: second }, reportedSeq: 1 });
  await say({ full: true, policies: [], ack: { revision: other, digest: 'd' } });
  expect((await ledger.cluster('eu'))?.acked?.revision).toBe(second);
});

it('marks a lost or damaged report as Pending at once, requests it, and recovers with the answer', async () => {
  const { sent, say, sayAll, read } = await start();
  await say({ full: true, policies: [a] });
  expect(await read()).toEqual(['a', undefined]);
  // The opening of b did not arrive; the report after it says that it must be there.
  await say({ policies: [c], total: namesOf(a, b, c) });
  expect([await read(), sent]).toEqual([
    ['a c', 'Reports'],
    ['reported', 'reported', 'resync'],
  ]);
  // What was on its way does not count.
  await say({ policies: [b] });
  expect(await read()).toEqual(['a c', 'Reports']);
  await sayAll();
  expect([await read(), sent]).toEqual([
    ['a c b', undefined],
    ['reported', 'reported', 'resync', 'reported'],
  ]);
});

it('marks a full report in several frames as Pending until the last one, without another request', async () => {
  const { clock, sent, say, compare, read } = await start();
  const total = namesOf(a, b, c);
  await say({ full: true, more: true, policies: [a], total });
  await clock.advance(9_000);
  await say({ more: true, policies: [b], total });
  await compare();
  await clock.advance(9_000);
  expect(await read()).toEqual(['a b', 'Reports']);
  await say({ policies: [c], total });
  expect([await read(), sent]).toEqual([
    ['a b c', undefined],
    ['reported', 'reported', 'reported'],
  ]);
});

it('marks a delta in several frames as Pending until the last one, without a request', async () => {
  const { sent, say, compare, read } = await start();
  await say({ full: true, policies: [] });
  const total = namesOf(a, b, c);
  await say({ more: true, policies: [a], total });
  await say({ more: true, policies: [b], total });
  await compare();
  expect(await read()).toEqual(['a b', 'Reports']);
  await say({ policies: [c], total });
  expect([await read(), sent]).toEqual([
    ['a b c', undefined],
    ['reported', 'reported', 'reported', 'reported'],
  ]);
});

it.each([
  ['full report', true],
  ['delta', false],
])('requests a report at once whose last frame arrived incomplete: a %s', async (_what, full) => {
  const { sent, say, read } = await start();
  await say({ full, more: true, policies: [a], total: namesOf(a, b, c) });
  await say({ policies: [c], total: namesOf(a, b, c) });
  expect([await read(), sent]).toEqual([
    ['a c', 'Reports'],
    ['reported', 'reported', 'resync'],
  ]);
});

it('keeps the turn of an agent that has to send everything while another sends a delta in several frames', async () => {
  const { resyncs, say, another } = await start({}, 1);
  const us = another('us');
  await us.say({ full: true, policies: [a] });
  await say({ full: true, policies: [a] });
  await us.say({ policies: [], total: namesOf(a, b) });
  await say({ policies: [], total: namesOf(a, b) });
  await say({ more: true, policies: [b], total: namesOf(a, b, c) });
  await say({ policies: [c], total: namesOf(a, b, c) });
  expect(resyncs.waiting).toBe(1);
});

it("requests a report again with the agent's next frame where its continuation is missing", async () => {
  const { clock, sent, say, sayAll, compare, read } = await start();
  await say({ full: true, more: true, policies: [a], total: namesOf(a, b) });
  await compare();
  expect(sent).toEqual(['reported']);
  await clock.advance(10_000);
  await compare();
  expect(sent).toEqual(['reported', 'resync']);
  await sayAll({ total: namesOf(a) });
  expect(await read()).toEqual(['a', undefined]);
});

it('keeps its place among requested agents until all frames have arrived', async () => {
  const { resyncs, sent, say, another } = await start({}, 1);
  const us = another('us');
  await say({ full: true, policies: [a] });
  await say({ policies: [], total: namesOf(a, b) });
  await us.say({ full: true, policies: [a] });
  await us.say({ policies: [], total: namesOf(a, b) });
  expect([sent.at(-1), us.sent.at(-1), resyncs.waiting]).toEqual(['resync', 'reported', 1]);
  await say({ full: true, more: true, policies: [a], total: namesOf(a, b) });
  expect(resyncs.waiting).toBe(1);
  await say({ policies: [b], total: namesOf(a, b) });
  expect([us.sent.at(-1), resyncs.waiting]).toEqual(['resync', 0]);
});

it('keeps an agent Pending whose reports never match their digest, and requests once a minute', async () => {
  const { clock, sent, say, read } = await start();
  const asked = () => sent.filter((type) => type === 'resync').length;
  for (let minute = 0; minute < 10; minute += 1) {
    for (let at = 0; at < 5; at += 1) {
      await clock.advance(12_000);
      await say({ full: true, policies: [a], total: namesOf(a, b) });
      await say({ policies: [c], total: namesOf(b) });
      await clock.advance(0);
      await say({ removed: ['c'], total: namesOf(b) });
    }
  }
  expect((await read())[1]).toBe('Reports');
  expect(asked()).toBeLessThanOrEqual(13);
});

it('knows why a cluster with more than the hub keeps differs, and requests nothing', async () => {
  const { sent, say, compare, read, accept } = await start({ reports: { ...reportLimits(), clusterBytes: 10_000 } });
  await accept();
  const large = [a, b, c].map((report) => ({ ...report, message: 'x'.repeat(4_000) }));
  await say({ full: true, policies: large });
  await compare();
  await say({ policies: [] });
  expect([(await read())[1], sent]).toEqual(['Reports', ['reported']]);
});

it('charges the cluster for its report once the ledger has written it, together with other reports', async () => {
  const { ledger, budget, say } = await start();
  const charges: number[] = [];
  const { spendCpu } = budget;
  budget.spendCpu = (ms) => {
    charges.push(ms);
    spendCpu.call(budget, ms);
  };
  const { applyReport } = ledger;
  ledger.applyReport = async (...args) => {
    await applyReport(...args);
    return { cpuMs: 100_000 };
  };
  await say({ full: true, policies: [a] });
  expect(charges).toContain(100_000);
  expect(budget.frame(1)).toBeGreaterThan(0);
});

it('acknowledges reports at once until a cluster has its first commit', async () => {
  const { sent, say } = await start();
  await say({ full: true, policies: [a] });
  for (let count = 0; count < 3; count += 1) await say({});
  expect(sent).toEqual(Array.from({ length: 4 }, () => 'reported'));
});

it('acknowledges a later report that names nothing with the next ping, or once sixteen wait', async () => {
  const { context, sent, say, accept } = await start();
  await accept();
  await say({ full: true, policies: [a] });
  await say({});
  expect(sent).toEqual(['reported']);
  acknowledge(context);
  acknowledge(context);
  expect(sent).toEqual(['reported', 'reported']);
  for (let count = 0; count < 15; count += 1) await say({});
  expect(sent.length).toBe(2);
  await say({});
  expect(sent.length).toBe(3);
  await say({ policies: [b] });
  expect([sent, context.state.reports.acknowledged]).toEqual([Array.from({ length: 4 }, () => 'reported'), 19]);
});
