import { type PolicyReport, policyKey } from '@fso/shared/api';
import { type AgentFrame, EMPTY_DIGEST, type Report } from '@fso/shared/protocol';
import { createLogger } from '@fso/shared/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../shared/runtime/testing/fake-clock.ts';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { type AgentSnapshot, LiveObservatory } from '../observe/index.ts';
import { EventOutbox } from './event-outbox.ts';
import { Reporter } from './reporter.ts';

const snapshotOf = (...reports: readonly PolicyReport[]): AgentSnapshot => ({
  policies: new Map(
    reports.map((report) => [policyKey(report), { report, generation: 1, observedGeneration: 1, proven: false, violations: [] }]),
  ),
  cluster: { agentVersion: 'test', kubernetesVersion: 'v1', gatekeeper: { state: 'Absent' }, nodesByRegion: {}, conditions: [] },
});
const pending = (message: string, change: Partial<PolicyReport> = {}): PolicyReport =>
  policyReport('a', { phase: 'Pending', message, revision: '1'.repeat(40), ...change });

describe('progress', () => {
  let stop: AbortController;
  let clock: FakeClock;
  let observatory: LiveObservatory;
  let reporter: Reporter;
  let frames: AgentFrame[];
  let running: Promise<void>;
  let accepted: string | null;
  let proven: string | null;

  /** What was reported since the last call. */
  const told = (): readonly string[] =>
    frames
      .splice(0)
      .filter((frame): frame is Report => frame.type === 'report')
      .flatMap(({ policies }) => policies.map(({ phase, message, revision }) => `${phase} ${message} ${revision?.[0] ?? ''}`.trim()));
  const publish = async (...reports: readonly PolicyReport[]): Promise<readonly string[]> => {
    observatory.publish(snapshotOf(...reports));
    await clock.advance(100);
    return told();
  };

  beforeEach(async () => {
    stop = new AbortController();
    clock = new FakeClock();
    frames = [];
    accepted = null;
    proven = null;
    observatory = new LiveObservatory(snapshotOf());
    const logger = createLogger({ name: 'test', level: 'silent' });
    const revisions = () => ({ revision: accepted, provenRevision: proven, verification: 'unverified' }) as const;
    reporter = new Reporter({ observatory, outbox: new EventOutbox({ clock, logger }), clock, logger, revisions });
    running = reporter.run(stop.signal).catch(() => undefined);
    reporter.connected((frame) => void frames.push(frame), { seq: 0, policies: EMPTY_DIGEST, cluster: null });
    await clock.advance(100);
    frames = [];
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  it('has no report of its own for a commit that an ack has told, unless nothing else comes', async () => {
    const toldRevisions = (): readonly unknown[] =>
      frames.splice(0).flatMap((frame) => (frame.type === 'report' && frame.cluster !== undefined ? [frame.cluster.revision] : []));
    await publish(pending('not proven'));
    accepted = '2'.repeat(40);
    expect(await publish(pending('not proven'))).toEqual([]);
    proven = accepted;
    observatory.publish(snapshotOf(pending('not proven')));
    await clock.advance(100);
    expect(toldRevisions()).toEqual([accepted]);
    accepted = '3'.repeat(40);
    observatory.publish(snapshotOf(pending('not proven')));
    await clock.advance(100);
    expect(toldRevisions()).toEqual([]);
    await clock.advance(1_000);
    expect(toldRevisions()).toEqual([accepted]);
  });

  it('is not held back where a policy says something else, also without a commit', async () => {
    const local = (change: Partial<PolicyReport>): PolicyReport =>
      policyReport('a', { phase: 'Pending', message: 'not proven', ...change });
    await publish(local({}));
    expect(await publish(local({ enforcementAction: 'warn' }))).toHaveLength(1);
    expect(await publish(local({ enforcementAction: 'warn', effectiveRegions: ['us-east-1'] }))).toHaveLength(1);
    const conflict = {
      type: 'Conflict',
      status: 'True',
      reason: 'NoRegion',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    } as const;
    expect(await publish(local({ enforcementAction: 'warn', effectiveRegions: ['us-east-1'], conditions: [conflict] }))).toHaveLength(1);
  });

  it('is reported once a second; that a policy is Pending, and what it becomes, at once', async () => {
    expect(await publish(pending('no label'))).toEqual(['Pending no label 1']);
    expect(await publish(pending('not proven'))).toEqual([]);
    expect(await publish(pending('one lock'))).toEqual([]);
    await clock.advance(800);
    expect(told()).toEqual(['Pending one lock 1']);
    expect(await publish(pending('both locks'))).toEqual([]);
    expect(await publish(policyReport('a', { phase: 'Failed' }))).toEqual(['Failed']);
    await clock.advance(2_000);
    expect(told()).toEqual([]);
  });

  it('holds back neither another commit, nor violations, nor other policies', async () => {
    await publish(pending('no label'));
    expect(await publish(pending('not proven', { revision: '2'.repeat(40) }))).toEqual(['Pending not proven 2']);
    expect(await publish(pending('not proven', { revision: '2'.repeat(40), violations: 1 }))).toEqual(['Pending not proven 2']);
    expect(await publish(pending('proven', { revision: '2'.repeat(40), violations: 1 }), policyReport('b', { phase: 'Failed' }))).toEqual([
      'Failed',
    ]);
    await clock.advance(1_000);
    expect(told()).toEqual(['Pending proven 2']);
  });

  it('is a part of what a hub is told that asks for everything', async () => {
    await publish(pending('no label'));
    await publish(pending('not proven'));
    reporter.acknowledged(2);
    reporter.resync();
    await clock.advance(10);
    expect(told()).toEqual(['Pending not proven 1']);
    await clock.advance(2_000);
    expect(told()).toEqual([]);
  });

  it('answers a hub that asks for everything without end once in a while, and its last request, too', async () => {
    const full = (): number => frames.splice(0).filter((frame) => frame.type === 'report' && frame.full).length;
    const ask = async (ms: number): Promise<number> => {
      for (let passed = 0; passed < ms; passed += 20) {
        reporter.resync();
        await clock.advance(20);
      }
      return full();
    };
    expect(await ask(4_000)).toBe(1);
    await clock.advance(2_000);
    expect(full()).toBe(1);
    expect(await ask(20_000)).toBeLessThanOrEqual(5);
    // The next connection says by itself what its hub has.
    reporter.resync();
    reporter.disconnected();
    reporter.connected((frame) => void frames.push(frame), { seq: 0, policies: EMPTY_DIGEST, cluster: null });
    await clock.advance(20_000);
    expect(full()).toBe(0);
  });

  it('waits for a hub that is behind with reading, and then says the latest', async () => {
    let isBehind = true;
    reporter.disconnected();
    reporter.connected(
      (frame) => void frames.push(frame),
      { seq: 0, policies: EMPTY_DIGEST, cluster: null },
      () => isBehind,
    );
    frames = [];
    for (let n = 0; n < 10; n += 1) expect(await publish(policyReport('a', { violations: n }))).toEqual([]);
    isBehind = false;
    reporter.poke();
    await clock.advance(100);
    expect(frames.filter((frame) => frame.type === 'report')).toMatchObject([{ policies: [{ violations: 9 }] }]);
  });

  it('waits for a hub that is away', async () => {
    await publish(pending('no label'));
    await publish(pending('not proven'));
    reporter.disconnected();
    await clock.advance(5_000);
    expect(clock.sleeping).toBe(0);
    expect(told()).toEqual([]);
  });
});
