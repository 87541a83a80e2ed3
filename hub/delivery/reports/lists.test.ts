import { setImmediate as settle } from 'node:timers/promises';
import { type CompiledPolicy, digestOfPolicies } from '@fso/shared/compile';
import { decodeFiles } from '@fso/shared/decode';
import { sha256 } from '@fso/shared/encoding';
import { pino } from 'pino';
import { expect, it, vi } from 'vitest';
import { baselineOf } from '../../../test/harness/baselines.ts';
import { Pipeline } from '../../rollout/index.ts';
import { desiredOf, FILES, REVISION } from '../../serve/testing/fleet.ts';
import type { SourceRevision } from '../../source/index.ts';
import { createReportStream } from '../testing/report-stream.ts';

const desired = desiredOf();
const compiled = desired.clusters.get('eu') ?? [];
/** The list of the hub, and what another version makes of the same commit. */
const OWN = digestOfPolicies(compiled);
const other: readonly (readonly [string, string])[] = compiled.map(({ name, digest }) => [name, name === 'hr' ? sha256(digest) : digest]);
const OTHER = digestOfPolicies(other.map(([name, digest]) => ({ name, digest }) as CompiledPolicy));
const policies = [...other] as [string, string][];

const start = async (turns?: number) => {
  const stream = createReportStream({}, turns);
  await stream.ledger.setDesired(desired);
  const known = async (cluster = 'eu') => [...((await stream.ledger.cluster(cluster))?.policies.keys() ?? [])];
  return { ...stream, known };
};

it('requests the policies of an unknown list once, and shows those of known ones', async () => {
  const { sent, say, compare, list, known, accept } = await start();
  await accept();
  await say({ full: true, baseline: baselineOf(OTHER) });
  expect([sent, await known()]).toEqual([['reported', 'list'], []]);
  await say({ baseline: baselineOf(OTHER) });
  await compare();
  expect(sent).toEqual(['reported', 'list']);
  await list({ list: OTHER, policies });
  // What the other version makes of hr is not known here: as long as it is not reported by name, it
  // counts as not reported.
  expect(await known()).toEqual(['finance']);
  await compare();
  expect(sent).toEqual(['reported', 'list']);
});

it('requests no known list', async () => {
  const { sent, say, compare, known } = await start();
  await say({ full: true, baseline: baselineOf(OWN) });
  await compare();
  expect([sent, await known()]).toEqual([['reported'], ['finance', 'hr']]);
});

it('refuses policies without the digest of their list, and delays an agent that sends them', async () => {
  const { ledger, budget, sent, say, compare, list, known, accept } = await start();
  await accept();
  await say({ full: true, baseline: baselineOf(OTHER) });
  await list({ list: OTHER, policies: policies.slice(1) });
  expect([await ledger.knowsList(OTHER, 'eu'), budget.strikes.leftMs()]).toEqual([false, 1_000]);
  await compare();
  await say({ baseline: baselineOf(OTHER) });
  expect([sent, await known()]).toEqual([['reported', 'list'], []]);
  // It was asked once: a second answer is none.
  await list({ list: OTHER, policies });
  expect(await ledger.knowsList(OTHER, 'eu')).toBe(false);
});

it('refuses a list that it did not request', async () => {
  const { ledger, sent, say, list } = await start();
  await list({ list: OTHER, policies });
  await say({ full: true, baseline: baselineOf(OWN) });
  await list({ list: OTHER, policies });
  expect([await ledger.knowsList(OTHER, 'eu'), sent]).toEqual([false, ['reported']]);
});

it('requests lists from an agent that names a new one in each report a few times, then once a minute', async () => {
  const { clock, sent, say } = await start();
  const asked = () => sent.filter((type) => type === 'list').length;
  for (let at = 0; at < 100; at += 1) await say({ full: true, baseline: baselineOf(sha256(`list ${at}`)) });
  expect(asked()).toBe(5);
  await clock.advance(60_000);
  for (let at = 100; at < 200; at += 1) await say({ full: true, baseline: baselineOf(sha256(`list ${at}`)) });
  expect(asked()).toBe(6);
});

it('requests a list from a bounded number of agents at a time, and from no more once one has named it', async () => {
  const { another, known, ...eu } = await start(1);
  const us = another('us');
  const whole = () => ({ full: true, baseline: baselineOf(OTHER) });
  await eu.say(whole());
  await us.say(whole());
  expect([eu.sent, us.sent]).toEqual([['reported', 'list'], ['reported']]);
  await eu.list({ list: OTHER, policies });
  expect([eu.sent, us.sent]).toEqual([['reported', 'list'], ['reported']]);
  expect([await known('eu'), await known('us')]).toEqual([['finance'], ['finance']]);
});

it('requests a list from the next agent once one does not answer', async () => {
  const { another, clock, ...eu } = await start(1);
  const us = another('us');
  await eu.say({ full: true, baseline: baselineOf(OTHER) });
  await us.say({ full: true, baseline: baselineOf(OTHER) });
  await clock.advance(10_000);
  expect(us.sent).toEqual(['reported', 'list']);
});

it('repeats a request without an answer, once a minute after a few times, and accepts a late answer', async () => {
  const { ledger, clock, sent, compare, say, list } = await start();
  const asked = () => sent.filter((type) => type === 'list').length;
  await say({ full: true, baseline: baselineOf(OTHER) });
  await clock.advance(9_999);
  await compare();
  expect(asked()).toBe(1);
  await clock.advance(1);
  await compare();
  expect(asked()).toBe(2);
  for (let minute = 0; minute < 20; minute += 1) {
    for (let at = 0; at < 5; at += 1) {
      await clock.advance(12_000);
      await compare();
    }
  }
  expect(asked()).toBeGreaterThan(20);
  expect(asked()).toBeLessThanOrEqual(5 + 21);
  await clock.advance(10_000);
  await list({ list: OTHER, policies });
  expect(await ledger.knowsList(OTHER, 'eu')).toBe(true);
});

it('treats a list that cannot be looked up as unknown: the report counts, and the agent is not delayed', async () => {
  const { ledger, budget, sent, say, compare } = await start();
  vi.spyOn(ledger, 'knowsList').mockRejectedValue(new Error('the database is away'));
  await say({ full: true, baseline: baselineOf(OTHER) });
  await compare();
  expect([sent, budget.strikes.leftMs(), (await ledger.cluster('eu'))?.baseline?.list]).toEqual([['reported', 'list'], 0, OTHER]);
});

it('knows the list of a commit before the agents get it', async () => {
  const { ledger, targets, clock, sent, begin } = createReportStream();
  const decoded = decodeFiles(FILES);
  if (!decoded.ok) throw new Error('files');
  const taken: Promise<void>[] = [];
  const delivery = { connected: () => ['eu'], publish: () => void taken.push(begin({ full: true, baseline: baselineOf(OWN) })) };
  const metrics = { step: () => undefined };
  const pipeline = new Pipeline({ ledger, targets, delivery, clock, logger: pino({ level: 'silent' }), metrics });
  pipeline.take({ commit: { revision: REVISION }, set: decoded.set } as SourceRevision);
  await Promise.all(taken);
  expect([taken.length, sent]).toEqual([1, ['reported']]);
  expect((await ledger.cluster('eu'))?.policies.size).toBe(2);
});

it('ignores a stream that ends while the list of its report is looked up', async () => {
  const { ledger, sent, begin, close } = createReportStream();
  const lookUp = Promise.withResolvers<boolean>();
  vi.spyOn(ledger, 'knowsList').mockReturnValue(lookUp.promise);
  const taking = begin({ full: true, baseline: baselineOf(OTHER) });
  await settle();
  close();
  lookUp.resolve(true);
  await taking;
  expect([sent, await ledger.cluster('eu')]).toEqual([[], null]);
});
