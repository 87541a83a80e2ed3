import { setImmediate as tick } from 'node:timers/promises';
import type { PolicyReport } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { type AgentFrame, EMPTY_DIGEST, type Report, totalOf } from '@fso/shared/protocol';
import { createLogger } from '@fso/shared/runtime';
import { digestOfBaseline, encodeBitmap, standingOf } from '@fso/shared/status';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AcceptedPolicies, LiveObservatory } from '../observe/index.ts';
import { EventOutbox } from './event-outbox.ts';
import { Reporter } from './reporter.ts';
import { INSTANT_CLOCK, NOTHING, reportedBy, TIME } from './testing/reports.ts';
import { acceptedOf, compiledOf, inputOf, PROFILE, seenCluster, withReports } from './testing/seen-cluster.ts';

describe('the baseline of the reports', () => {
  const NOW = new Date('2026-01-01T00:00:00.000Z');
  const LIST = ['a', 'b', 'c'].map((name) => compiledOf(name));
  let stop: AbortController;
  let observatory: LiveObservatory;
  let reporter: Reporter;
  let frames: Report[];
  let list: AcceptedPolicies | undefined;
  const send = (frame: AgentFrame): void => void (frame.type === 'report' && frames.push(frame));
  const seen = (namespaces: readonly string[], asOf = NOW) =>
    seenCluster({ policies: LIST.map((policy) => inputOf(policy)), namespaces, asOf });
  const settle = async (): Promise<readonly Report[]> => {
    for (let turn = 0; turn < 8; turn += 1) await tick();
    return frames.splice(0);
  };

  beforeEach(() => {
    stop = new AbortController();
    frames = [];
    list = acceptedOf(LIST);
    observatory = new LiveObservatory(seen(['a', 'b', 'c']));
    const revisions = () => ({ revision: null, provenRevision: null, verification: 'unverified' }) as const;
    const logger = createLogger({ name: 'test', level: 'silent' });
    const outbox = new EventOutbox({ clock: INSTANT_CLOCK, logger });
    reporter = new Reporter({
      observatory,
      outbox,
      clock: INSTANT_CLOCK,
      logger,
      revisions,
      accepted: () => list,
      room: { entries: 1, bytes: 100_000 },
    });
    reporter.run(stop.signal).catch(() => undefined);
    reporter.connected(send, NOTHING);
  });
  afterEach(() => stop.abort());

  it('is sent again where its content differs, not because time passes', async () => {
    const [first, ...others] = await settle();
    const baseline = { list: list?.digest, profile: PROFILE, asOf: NOW.toISOString(), missing: '', namespaces: [] };
    expect(first).toMatchObject({ full: false, baseline, total: { count: 0, root: EMPTY_DIGEST }, deviations: [], policies: [] });
    expect(others).toEqual([]);
    const later = new Date(NOW.getTime() + 10_000);
    observatory.publish(seen(['a', 'b', 'c'], later));
    expect(await settle()).toEqual([]);
    observatory.publish(seen(['a', 'c'], later));
    expect(await settle()).toMatchObject([
      { full: false, baseline: { missing: encodeBitmap(3, (bit) => bit === 1), asOf: later.toISOString() }, policies: [], removed: [] },
    ]);
  });

  it('is sent again to a hub that has another baseline or none', async () => {
    const [first] = await settle();
    reporter.acknowledged(1);
    const reported = {
      ...reportedBy(first === undefined ? [] : [first]),
      baseline: first?.baseline ? digestOfBaseline(first.baseline) : null,
    };
    const connect = async (baseline: string | null): Promise<readonly Report[]> => {
      reporter.disconnected();
      reporter.connected(send, { ...reported, baseline });
      return settle();
    };
    expect(await connect(reported.baseline)).toEqual([]);
    for (const other of [null, 'f'.repeat(64)])
      expect(await connect(other)).toMatchObject([{ full: false, baseline: { list: list?.digest }, policies: [] }]);
  });

  it('arrives with what the hub must have by name, also over several frames', async () => {
    await settle();
    const failed = withReports(seen(['a', 'b', 'c']), { a: { phase: 'Failed' }, b: { phase: 'Failed' } });
    observatory.publish(failed);
    const total = totalOf(new Map(['a', 'b'].map((key) => [key, standingOf(failed.policies.get(key)?.report as PolicyReport)])));
    expect((await settle()).map(({ deviations, ...frame }) => [deviations.map(({ policies }) => policies), frame.total])).toEqual([
      [[['a']], total],
      [[['b']], total],
    ]);
    observatory.publish(withReports(failed, { c: { phase: 'Failed' } }));
    expect((await settle()).map(({ deviations, ...frame }) => [deviations.length, frame.total.count])).toEqual([[1, 3]]);
    observatory.publish(seen(['a', 'b', 'c']));
    expect((await settle()).map(({ removed, total: { count, root } }) => [removed, count, root])).toEqual([
      [['a'], 0, EMPTY_DIGEST],
      [['b'], 0, EMPTY_DIGEST],
      [['c'], 0, EMPTY_DIGEST],
    ]);
  });

  it('arrives with the first violations of the deviating policies, one of each in turns', async () => {
    await settle();
    const sample = { kind: 'Pod', namespace: 'a', name: 'p', reason: 'us-east-1', since: TIME };
    const violated = { violations: 30, violationSamples: Array.from({ length: 15 }, (_, n) => ({ ...sample, name: `p-${n}` })) };
    observatory.publish(withReports(seen(['a', 'b', 'c']), { a: violated, b: violated }));
    const [first] = await settle();
    const named = first?.cluster?.violationSamples?.map(({ policy, name }) => `${policy} ${name}`);
    expect([named?.length, named?.[0], named?.[19], first?.deviations]).toEqual([20, 'a p-0', 'b p-9', [expect.anything()]]);
    observatory.publish(seen(['a', 'b', 'c']));
    expect((await settle())[0]?.cluster).not.toHaveProperty('violationSamples');
  });

  it('is absent without a list: then every policy is named', async () => {
    await settle();
    list = undefined;
    reporter.poke();
    const frames = await settle();
    expect(frames.map(({ baseline }) => baseline)).toEqual([null, null, null]);
    expect(frames.flatMap(({ policies }) => policies.map(({ name }) => name))).toEqual(['a', 'b', 'c']);
    list = acceptedOf(LIST);
    reporter.poke();
    const again = await settle();
    expect(again.flatMap(({ removed }) => removed)).toEqual(['a', 'b', 'c']);
    expect(again.at(-1)).toMatchObject({ baseline: { list: list.digest }, total: { count: 0 } });
  });

  it('refers to a list that the agent names to a hub without it, while it is the accepted one', () => {
    const digest = list?.digest ?? '';
    expect(reporter.listed(digest)).toEqual({ type: 'listed', list: digest, policies: LIST.map((policy) => [policy.name, policy.digest]) });
    expect(reporter.listed('f'.repeat(64))).toBeUndefined();
    list = undefined;
    expect(reporter.listed(digest)).toBeUndefined();
  });

  describe('that the hub asks for', () => {
    let time: FakeClock;
    let sent: Extract<AgentFrame, { type: 'listed' }>[];
    let isBehind: boolean;
    let asked: Reporter;

    beforeEach(() => {
      time = new FakeClock();
      sent = [];
      isBehind = false;
      const revisions = () => ({ revision: null, provenRevision: null, verification: 'unverified' }) as const;
      const logger = createLogger({ name: 'test', level: 'silent' });
      const outbox = new EventOutbox({ clock: time, logger });
      asked = new Reporter({ observatory, outbox, clock: time, logger, revisions, accepted: () => list });
      asked.run(stop.signal).catch(() => undefined);
      const take = (frame: AgentFrame): void => void (frame.type === 'listed' && sent.push(frame));
      asked.connected(take, NOTHING, () => isBehind);
    });

    it('is sent on request at most once in five seconds, with the same frame', async () => {
      const digest = list?.digest ?? '';
      for (let n = 0; n < 100; n += 1) asked.list(digest);
      asked.list('f'.repeat(64));
      await time.advance(4_999);
      expect(sent.map((frame) => frame.list)).toEqual([digest]);
      await time.advance(1);
      await expect.poll(() => sent.length).toBe(2);
      expect(sent[1]).toBe(sent[0]);
      await time.advance(60_000);
      expect(sent).toHaveLength(2);
      asked.list(digest);
      expect(sent).toHaveLength(3);
    });

    it('is sent at once on a request for a list other than the last one', () => {
      asked.list(list?.digest ?? '');
      list = acceptedOf(LIST.slice(1));
      asked.list(list.digest);
      expect(sent.map((frame) => frame.policies.length)).toEqual([LIST.length, LIST.length - 1]);
    });

    it('waits for a hub that does not read', async () => {
      isBehind = true;
      asked.list(list?.digest ?? '');
      await time.advance(60_000);
      expect(sent).toEqual([]);
      isBehind = false;
      asked.poke();
      await expect.poll(() => sent.length).toBe(1);
    });
  });
});
