import { setImmediate as tick } from 'node:timers/promises';
import type { ClusterEvent } from '@fso/shared/api';
import { type AgentFrame, decodeAgentFrame, type Report, type ReportedState } from '@fso/shared/protocol';
import { createLogger } from '@fso/shared/runtime';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOfReports } from '../../test/harness/baselines.ts';
import { LiveObservatory } from '../observe/index.ts';
import { EventOutbox } from './event-outbox.ts';
import { Reporter } from './reporter.ts';
import { byKey, INSTANT_CLOCK, NOTHING, replay, report, reportedBy, snapshotOf, TIME } from './testing/reports.ts';

const eventOf = (reason: string): ClusterEvent => ({ time: TIME, severity: 'info', reason, message: '' });

/** State at a hub that has a report which this agent never sent. */
const OTHER: ReportedState = { ...NOTHING, policies: 'f'.repeat(64) };

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
    const outbox = new EventOutbox({ clock: INSTANT_CLOCK, logger });
    observatory.onEvent((event) => outbox.add(event));
    reporter = new Reporter({
      observatory,
      outbox,
      clock: INSTANT_CLOCK,
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

  it('sends what the hub lacks, then what changed, each once', async () => {
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

  it('splits what does not fit over several frames, each with the total', async () => {
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

  it('sends a report that its schema refuses as Failed, and the others unchanged', async () => {
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

  it('reports all details of a policy on request', async () => {
    observatory.publish(snapshotOf([report('a'), report('b')]));
    reporter.connected(send, NOTHING);
    await settle();
    expect(reports()[0]?.policies).toEqual([report('a'), report('b')]);
    expect(reporter.inspect({ type: 'inspect', id: 3, policy: 'b' })).toEqual({ type: 'inspected', id: 3, report: report('b') });
    expect(reporter.inspect({ type: 'inspect', id: 4, policy: 'none' })).toEqual({ type: 'inspected', id: 4, report: null });
  });

  it('gathers changes while the hub does not keep up, and continues when it does', async () => {
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

  it('keeps events until they are acknowledged, and sends everything to a hub with an empty state or on request', async () => {
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

  it('sends a hub nothing that it has, from any of its reports', async () => {
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

  it("leaves the hub with the agent's state after any losses, and repeats a policy only where necessary", async () => {
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
