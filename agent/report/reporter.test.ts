import { setImmediate as tick } from 'node:timers/promises';
import { type ClusterEvent, type PolicyReport, policyKey } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import {
  type AgentFrame,
  decodeAgentFrame,
  digestOfCluster,
  EMPTY_DIGEST,
  type Report,
  type ReportedState,
  totalOf,
} from '@fso/shared/protocol';
import { type Clock, createLogger } from '@fso/shared/runtime';
import { digestOfBaseline, encodeBitmap, isWhole, standingOf } from '@fso/shared/status';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { digestOfReports } from '../../test/harness/baselines.ts';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { type AcceptedPolicies, type AgentSnapshot, LiveObservatory } from '../observe/index.ts';
import { EventOutbox } from './event-outbox.ts';
import { ReportCheck } from './report-check.ts';
import { diffReports } from './report-delta.ts';
import { Reporter } from './reporter.ts';
import { acceptedOf, compiledOf, inputOf, PROFILE, seenCluster, withReports } from './testing/seen-cluster.ts';

const TIME = '2026-01-01T00:00:00Z';
const report = (name: string, violations = 0): PolicyReport => policyReport(name, { violations });
const byKey = (reports: readonly PolicyReport[]): ReadonlyMap<string, PolicyReport> =>
  new Map(reports.map((each) => [policyKey(each), each]));
const snapshotOf = (reports: readonly PolicyReport[], proven = true, generation = 1): AgentSnapshot => ({
  policies: new Map(
    reports.map((each) => [policyKey(each), { report: each, generation, observedGeneration: generation, proven, violations: [] }]),
  ),
  cluster: { agentVersion: 'test', kubernetesVersion: 'v1', gatekeeper: { state: 'Absent' }, nodesByRegion: {}, conditions: [] },
});
const eventOf = (reason: string): ClusterEvent => ({ time: TIME, severity: 'info', reason, message: '' });
/** Time that passes at once: spacing between reports is not what is tested here. */
const clock: Clock = {
  now: () => new Date(TIME),
  monotonicMs: () => 0,
  sleep: async (_ms, signal) => {
    await tick();
    signal.throwIfAborted();
  },
};
const replay = (
  known: ReadonlyMap<string, PolicyReport>,
  { full, policies, removed }: Pick<Report, 'full' | 'policies' | 'removed'>,
): ReadonlyMap<string, PolicyReport> => {
  const next = new Map(full ? [] : known);
  for (const each of policies) next.set(policyKey(each), each);
  for (const key of removed) next.delete(key);
  return next;
};
const NOTHING: ReportedState = { seq: 0, policies: EMPTY_DIGEST, cluster: null, baseline: null };
/** State at a hub that has a report which this agent never sent. */
const OTHER: ReportedState = { ...NOTHING, policies: 'f'.repeat(64) };
/** Returns the state in the welcome of a hub that took these reports and no others. */
const reportedBy = (taken: readonly Report[]): ReportedState => {
  let known: ReadonlyMap<string, PolicyReport> = new Map();
  for (const frame of taken) known = replay(known, frame);
  const cluster = taken.findLast((frame) => frame.cluster !== undefined)?.cluster;
  const seq = taken.at(-1)?.seq ?? 0;
  return {
    seq,
    policies: digestOfReports(known.values()),
    cluster: cluster === undefined ? null : digestOfCluster(cluster),
    baseline: null,
  };
};
const states = fc.array(
  fc
    .uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(2)), { selector: ([name]) => name })
    .map((all) => all.map(([name, violations]) => report(name, violations))),
  { maxLength: 12 },
);

describe('diffReports', () => {
  it('replayed, gives the snapshot; of the same again, nothing', () => {
    fc.assert(
      fc.property(states, (all) => {
        let known: ReadonlyMap<string, PolicyReport> = new Map();
        for (const state of all) {
          const { named, removed } = diffReports(known, byKey(state));
          known = replay(known, { full: false, policies: [...named.values()].filter(isWhole), removed: [...removed] });
          expect(known).toEqual(byKey(state));
          expect(diffReports(known, byKey(state.map((each) => ({ ...each }))))).toEqual({ named: new Map(), removed: [] });
        }
      }),
    );
  });
});

describe('Reporter', () => {
  let stop: AbortController;
  let observatory: LiveObservatory;
  let reporter: Reporter;
  let frames: AgentFrame[];
  let running: Promise<void>;
  const send = (frame: AgentFrame): void => void frames.push(frame);
  const reports = (): readonly Report[] => frames.filter((frame) => frame.type === 'report');
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 8; turn += 1) await tick();
  };

  beforeEach(() => {
    stop = new AbortController();
    frames = [];
    observatory = new LiveObservatory(snapshotOf([]));
    const revisions = () => ({ revision: null, provenRevision: null, verification: 'unverified' }) as const;
    const logger = createLogger({ name: 'test', level: 'silent' });
    const outbox = new EventOutbox({ clock, logger });
    observatory.onEvent((event) => outbox.add(event));
    reporter = new Reporter({
      observatory,
      outbox,
      clock,
      logger,
      revisions,
      accepted: () => undefined,
      room: { entries: 3, bytes: 100_000 },
    });
    running = reporter.run(stop.signal).catch(() => undefined);
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  it('sends what the hub has not, then what changed, each once', async () => {
    observatory.publish(snapshotOf([report('a'), report('b')]));
    reporter.connected(send, NOTHING);
    await settle();
    observatory.publish(snapshotOf([report('a', 1)]));
    observatory.publish(snapshotOf([report('a', 1)]));
    await settle();
    expect(reports().map(({ seq, full, policies, removed }) => [seq, full, policies.map(({ name }) => name), removed])).toEqual([
      [1, false, ['a', 'b'], []],
      [2, false, ['a'], ['b']],
    ]);
    reporter.sendDigest();
    expect(frames.at(-1)).toEqual({ type: 'digest', seq: 2, digest: digestOfReports([report('a', 1)]) });
  });

  it('sends in several frames what does not fit into one, and says with each what all of them bring', async () => {
    const all = Array.from({ length: 8 }, (_, index) => report(`p${index}`));
    observatory.publish(snapshotOf(all));
    reporter.connected(send, OTHER);
    await settle();
    const whole = { count: 8, root: digestOfReports(all) };
    expect(reports().map(({ full, more, total, policies }) => [full, more, total, policies.length])).toEqual([
      [true, true, whole, 3],
      [false, true, whole, 3],
      [false, undefined, whole, 2],
    ]);
    expect(reports().reduce<ReturnType<typeof byKey>>(replay, new Map())).toEqual(byKey(all));
    observatory.publish(snapshotOf([]));
    await settle();
    expect(
      reports()
        .slice(3)
        .map(({ full, more, removed }) => [full, more, removed.length]),
    ).toEqual([
      [false, true, 3],
      [false, true, 3],
      [false, undefined, 2],
    ]);
    // One that alone takes more than a frame should have goes all the same.
    observatory.publish(
      snapshotOf(['a', 'b'].map((name) => ({ ...report(name), namespaces: Array.from({ length: 9_000 }, (_, n) => `n${n}`) }))),
    );
    await settle();
    expect(
      reports()
        .slice(6)
        .map(({ policies }) => policies.length),
    ).toEqual([1, 1]);
    reporter.sendDigest();
    expect(frames.at(-1)).toMatchObject({ type: 'digest', seq: 8 });
  });

  it('sends a report that its schema refuses as Failed, and the others as they are', async () => {
    const bad = { ...report('bad'), effectiveRegions: ['x'.repeat(64)] };
    observatory.publish(snapshotOf([bad, report('good')]));
    reporter.connected(send, NOTHING);
    await settle();
    const [first] = reports();
    expect(first?.policies).toEqual([
      { ...bad, phase: 'Failed', effectiveRegions: [], message: expect.stringContaining('effectiveRegions') },
      report('good'),
    ]);
    // More of them than a hub takes in one frame.
    observatory.publish(snapshotOf(Array.from({ length: 30 }, (_, n) => ({ ...bad, name: `bad-${n}` }))));
    for (let frame = 0; frame < 10; frame += 1) await settle();
    const policies = reports().flatMap((frame) => frame.policies);
    expect(policies).toHaveLength(32);
    const decoded = decodeAgentFrame(JSON.stringify({ ...first, policies }));
    expect(decoded).toMatchObject({ ok: true });
    expect(decoded).not.toHaveProperty('problems');
  });

  it('tells all that there is to say of a policy that it is asked for', async () => {
    observatory.publish(snapshotOf([report('a'), report('b')]));
    reporter.connected(send, NOTHING);
    await settle();
    expect(reports()[0]?.policies).toEqual([report('a'), report('b')]);
    expect(reporter.inspect({ type: 'inspect', id: 3, policy: 'b' })).toEqual({ type: 'inspected', id: 3, report: report('b') });
    expect(reporter.inspect({ type: 'inspect', id: 4, policy: 'none' })).toEqual({ type: 'inspected', id: 4, report: null });
  });

  it('gathers changes while the hub does not keep up, and goes on when it does', async () => {
    reporter.connected(send, NOTHING);
    for (let change = 0; change < 60; change += 1) {
      observatory.publish(snapshotOf([report('a', change)]));
      await settle();
    }
    expect(reports()).toHaveLength(32);
    reporter.acknowledged(32);
    await settle();
    expect(reports()).toHaveLength(33);
    expect(reports().at(-1)?.policies).toEqual([report('a', 59)]);
  });

  it('keeps events until they are acknowledged, and sends everything to a hub that knows nothing, or asks', async () => {
    observatory.emit(eventOf('First'));
    reporter.connected(send, NOTHING);
    await settle();
    reporter.acknowledged(1);
    observatory.emit(eventOf('Second'));
    await settle();
    reporter.disconnected();
    observatory.emit(eventOf('Third'));
    await settle();
    expect(reports()).toHaveLength(2);
    reporter.connected(send, { ...OTHER, seq: 7 });
    await settle();
    expect(reports()[2]).toMatchObject({ seq: 8, full: true, events: [{ reason: 'Second' }, { reason: 'Third' }] });
    reporter.acknowledged(8);
    reporter.resync();
    await settle();
    expect(reports()[3]).toMatchObject({ seq: 9, full: true, events: [] });
  });

  it('sends a hub nothing that it has, whichever reports it took', async () => {
    reporter.connected(send, NOTHING);
    for (const violations of [0, 1, 2]) {
      observatory.publish(snapshotOf([report('a', violations), report('b')]));
      observatory.emit(eventOf(`E${violations}`));
      await settle();
    }
    const sent = reports();
    expect(sent.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    const connect = async (taken: readonly Report[]): Promise<readonly Report[]> => {
      reporter.disconnected();
      frames = [];
      reporter.connected(send, reportedBy(taken));
      await settle();
      return reports();
    };
    // The second and the third were lost on their way: what changed since comes at once, with the
    // events.
    const [next, ...others] = await connect(sent.slice(0, 1));
    expect(next).toMatchObject({
      seq: 2,
      full: false,
      policies: [report('a', 2)],
      events: [{ reason: 'E0' }, { reason: 'E1' }, { reason: 'E2' }],
    });
    expect(next).not.toHaveProperty('cluster');
    expect(others).toEqual([]);
    // The hub took it, only its answer was lost: the events come again, as nothing says that it
    // kept them.
    const [again, ...rest] = await connect([...sent.slice(0, 1), ...(next === undefined ? [] : [next])]);
    expect(again).toMatchObject({ seq: 3, full: false, policies: [], events: [{ reason: 'E0' }, { reason: 'E1' }, { reason: 'E2' }] });
    expect(rest).toEqual([]);
    reporter.acknowledged(3);
    reporter.sendDigest();
    expect(frames.at(-1)).toEqual({ type: 'digest', seq: 3, digest: digestOfReports([report('a', 2), report('b')]) });
    // What the cluster said of itself is lost at the hub.
    const known = { seq: 3, policies: digestOfReports([report('a', 2), report('b')]), cluster: null, baseline: null };
    reporter.disconnected();
    frames = [];
    reporter.connected(send, known);
    await settle();
    expect(reports()).toEqual([expect.objectContaining({ seq: 4, full: false, policies: [], cluster: expect.anything() })]);
  });

  it('leaves the hub with what the agent has, whatever is lost, and sends a policy again only where it must', async () => {
    const steps = fc.array(fc.tuple(fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.nat(2)), { maxLength: 5 }), fc.nat(3)), {
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        let taken: Report[] = [];
        for (const [state, lost] of all) {
          reporter.disconnected();
          frames = [];
          reporter.connected(send, reportedBy(taken));
          const now = [...new Map(state).entries()].map(([name, violations]) => report(name, violations));
          observatory.publish(snapshotOf(now));
          await settle();
          expect(reportedBy([...taken, ...reports()]).policies).toBe(digestOfReports(now));
          taken = [...taken, ...reports().slice(0, Math.max(0, reports().length - lost))];
        }
        reporter.disconnected();
        frames = [];
        reporter.connected(send, reportedBy(taken));
        await settle();
        const left = reports();
        reporter.disconnected();
        frames = [];
        reporter.connected(send, reportedBy([...taken, ...left]));
        await settle();
        expect(reports()).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });
});

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
    const outbox = new EventOutbox({ clock, logger });
    reporter = new Reporter({ observatory, outbox, clock, logger, revisions, accepted: () => list, room: { entries: 1, bytes: 100_000 } });
    reporter.run(stop.signal).catch(() => undefined);
    reporter.connected(send, NOTHING);
  });
  afterEach(() => stop.abort());

  it('is said again where it reads otherwise, not because time passes', async () => {
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

  it('is said again to a hub that has another one, or none', async () => {
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

  it('comes with what the hub must have by name, also where that takes several frames', async () => {
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

  it('comes with the first violations of the policies that deviate, one of each in turns', async () => {
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

  it('is none without a list: then every policy is named', async () => {
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

  it('is of a list that the agent names to a hub which does not know it, as long as it is the accepted one', () => {
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

    it('is named at most once in five seconds, with the same frame', async () => {
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

    it('is named at once where another one was named before', () => {
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

describe('ReportCheck', () => {
  it('logs each invalid report once, also of a policy called cluster', () => {
    const logger = createLogger({ name: 'test', level: 'silent' });
    const error = vi.spyOn(logger, 'error');
    const check = new ReportCheck(logger);
    const { cluster, policies } = snapshotOf([policyReport('cluster', { effectiveRegions: ['x'.repeat(64)] })]);
    const whole = { ...cluster, revision: null, provenRevision: null, verification: 'unverified' } as const;
    for (const _ of [1, 2]) {
      for (const [key, { report }] of policies) check.policy(key, report);
      check.cluster(whole);
    }
    expect(error.mock.calls.map(([fields]) => fields)).toEqual([expect.objectContaining({ policy: 'cluster' })]);
  });
});
