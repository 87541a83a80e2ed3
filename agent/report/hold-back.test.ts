import { PolicyReport, policyKey } from '@fso/shared/api';
import { type AgentFrame, EMPTY_DIGEST, type Report } from '@fso/shared/protocol';
import { createLogger } from '@fso/shared/runtime';
import { deviationsIn } from '@fso/shared/status';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../shared/runtime/testing/fake-clock.ts';
import { digestOfReports } from '../../test/harness/baselines.ts';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { type AcceptedPolicies, type AgentSnapshot, LiveObservatory } from '../observe/index.ts';
import { EventOutbox } from './event-outbox.ts';
import { Reporter } from './reporter.ts';
import { acceptedOf, compiledOf, inputOf, seenCluster, withReports } from './testing/seen-cluster.ts';

const snapshotOf = (...reports: readonly PolicyReport[]): AgentSnapshot => ({
  policies: new Map(
    reports.map((report) => [policyKey(report), { report, generation: 1, observedGeneration: 1, proven: false, violations: [] }]),
  ),
  cluster: { agentVersion: 'test', kubernetesVersion: 'v1', gatekeeper: { state: 'Absent' }, nodesByRegion: {}, conditions: [] },
});
const pending = (message: string, change: Partial<PolicyReport> = {}): PolicyReport =>
  policyReport('a', { phase: 'Pending', message, revision: '1'.repeat(40), ...change });

describe('reports that are held back', () => {
  let stop: AbortController;
  let clock: FakeClock;
  let observatory: LiveObservatory;
  let reporter: Reporter;
  let frames: AgentFrame[];
  let running: Promise<void>;
  let accepted: string | null;
  let proven: string | null;
  let list: AcceptedPolicies | undefined;

  /** Returns the reports since the last call. */
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
    list = undefined;
    observatory = new LiveObservatory(snapshotOf());
    const logger = createLogger({ name: 'test', level: 'silent' });
    const revisions = () => ({ revision: accepted, provenRevision: proven, verification: 'unverified' }) as const;
    reporter = new Reporter({ observatory, outbox: new EventOutbox({ clock, logger }), clock, logger, revisions, accepted: () => list });
    running = reporter.run(stop.signal).catch(() => undefined);
    reporter.connected((frame) => void frames.push(frame), { seq: 0, policies: EMPTY_DIGEST, cluster: null, baseline: null });
    await clock.advance(100);
    frames = [];
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  it('cause none for an acked commit, unless nothing else is sent', async () => {
    const toldRevisions = (): readonly unknown[] =>
      frames.splice(0).flatMap((frame) => (frame.type === 'report' ? ((frame.cluster ?? frame.revision)?.revision ?? []) : []));
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
    await clock.advance(1_500);
    expect(toldRevisions()).toEqual([accepted]);
  });

  it('are sent at once where a policy reports something else, also without a commit', async () => {
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

  it('delay the progress of a Pending policy; entering and leaving Pending is sent at once', async () => {
    expect(await publish(pending('no label'))).toEqual(['Pending no label 1']);
    expect(await publish(pending('not proven'))).toEqual([]);
    expect(await publish(pending('one lock'))).toEqual([]);
    await clock.advance(1_400);
    expect(told()).toEqual(['Pending one lock 1']);
    expect(await publish(pending('both locks'))).toEqual([]);
    expect(await publish(policyReport('a', { phase: 'Failed' }))).toEqual(['Failed']);
    await clock.advance(2_000);
    expect(told()).toEqual([]);
  });

  it('delay no violation and no other policy; their frame names what the hub has by name', async () => {
    await publish(pending('no label'));
    expect(await publish(pending('not proven', { violations: 1 }))).toEqual(['Pending not proven 1']);
    const failed = policyReport('b', { phase: 'Failed' });
    observatory.publish(snapshotOf(pending('proven', { violations: 1 }), failed));
    await clock.advance(100);
    const byName = [pending('not proven', { violations: 1 }), failed].map((report) => PolicyReport.parse(report));
    expect(frames).toMatchObject([{ total: { count: 2, root: digestOfReports(byName) } }]);
    expect(told()).toEqual(['Failed']);
    await clock.advance(1_500);
    expect(told()).toEqual(['Pending proven 1']);
  });

  it('are part of a full report on request', async () => {
    await publish(pending('no label'));
    await publish(pending('not proven'));
    reporter.acknowledged(2);
    reporter.resync();
    await clock.advance(10);
    expect(told()).toEqual(['Pending not proven 1']);
    await clock.advance(2_000);
    expect(told()).toEqual([]);
  });

  it('answer a hub that keeps requesting everything at intervals, and its last request', async () => {
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
    reporter.connected((frame) => void frames.push(frame), { seq: 0, policies: EMPTY_DIGEST, cluster: null, baseline: null });
    await clock.advance(20_000);
    expect(full()).toBe(0);
  });

  it('wait for a hub that is slow to read, and then send the latest', async () => {
    let isBehind = true;
    reporter.disconnected();
    reporter.connected(
      (frame) => void frames.push(frame),
      { seq: 0, policies: EMPTY_DIGEST, cluster: null, baseline: null },
      () => isBehind,
    );
    frames = [];
    for (let n = 0; n < 10; n += 1) expect(await publish(policyReport('a', { violations: n }))).toEqual([]);
    isBehind = false;
    reporter.poke();
    await clock.advance(100);
    expect(frames.filter((frame) => frame.type === 'report')).toMatchObject([{ policies: [{ violations: 9 }] }]);
  });

  it('wait for a hub that is away', async () => {
    await publish(pending('no label'));
    await publish(pending('not proven'));
    reporter.disconnected();
    await clock.advance(5_000);
    expect(clock.sleeping).toBe(0);
    expect(told()).toEqual([]);
  });

  describe('of a commit', () => {
    const NOW = new Date('2026-01-01T00:00:00.000Z');
    const NAMES = ['finance', 'payments'];
    const BEFORE = NAMES.map((name) => compiledOf(name));
    const AFTER = [...NAMES.map((name) => compiledOf(name, name === 'finance' ? { enforcementAction: 'warn' } : {}))];
    const older = (key: string): number => (key === 'finance' ? 2 : 1);

    const seen = (policies = BEFORE, generation = 1, unproven: readonly string[] = []): AgentSnapshot => {
      const inputs = policies.map((policy) => inputOf(policy, { generation: policy.name === 'finance' ? generation : 1 }));
      return seenCluster({ policies: inputs, namespaces: NAMES, asOf: NOW, unproven: new Set(unproven) });
    };
    const said = async (): Promise<readonly (readonly unknown[])[]> => {
      await clock.advance(100);
      return frames
        .splice(0)
        .filter((frame): frame is Report => frame.type === 'report')
        .map(({ baseline, total, deviations, removed }) => {
          // A list is never said without what deviates from it.
          if (baseline?.list === list?.digest) expect(total.count).toBe(standing());
          return [baseline?.list, [...deviationsIn(deviations)].map(([name, { phase }]) => `${name} ${phase}`), removed, total.count];
        });
    };
    /** Policies that are not in force as accepted. */
    const standing = (): number => [...observatory.snapshot().policies.keys()].filter((key) => !isInForce(key)).length;
    const isInForce = (key: string): boolean => {
      const { report, generation } = observatory.snapshot().policies.get(key) ?? {};
      return report?.phase === 'Active' && generation === list?.generationOf(key);
    };

    beforeEach(async () => {
      list = acceptedOf(BEFORE);
      accepted = '1'.repeat(40);
      proven = accepted;
      observatory.publish(seen());
      expect(await said()).toEqual([[list.digest, [], [], 0]]);
    });

    it('merge acceptance and proof of a commit into one report where it is proven in time', async () => {
      // Its policies are written before it is accepted.
      list = acceptedOf(BEFORE, { generationOf: (key) => (key === 'finance' ? undefined : 1), version: 1, isChanging: true });
      reporter.poke();
      expect(await said()).toEqual([]);
      list = acceptedOf(AFTER, { generationOf: older, version: 2 });
      accepted = '2'.repeat(40);
      reporter.poke();
      expect(await said()).toEqual([]);
      observatory.publish(seen(AFTER, 2, ['finance']));
      expect(await said()).toEqual([]);
      observatory.publish(seen(AFTER, 2));
      proven = accepted;
      expect(await said()).toEqual([[list.digest, [], [], 0]]);
      await clock.advance(2_000);
      expect(await said()).toEqual([]);
    });

    it('show after a moment that a commit was accepted, with the policies that are Pending by it', async () => {
      list = acceptedOf(AFTER, { generationOf: older, version: 2 });
      accepted = '2'.repeat(40);
      reporter.poke();
      expect(await said()).toEqual([]);
      await clock.advance(1_400);
      expect(await said()).toEqual([[list.digest, ['finance Pending'], [], 1]]);
      observatory.publish(seen(AFTER, 2, ['finance']));
      expect(await said()).toEqual([]);
      observatory.publish(seen(AFTER, 2));
      expect(await said()).toEqual([[list.digest, [], ['finance'], 0]]);
    });

    it('show at once all deviations from a commit where something else happens', async () => {
      list = acceptedOf(AFTER, { generationOf: older, version: 2 });
      accepted = '2'.repeat(40);
      observatory.publish(withReports(seen(), { payments: { phase: 'Failed' } }));
      expect(await said()).toEqual([[list.digest, ['finance Pending', 'payments Failed'], [], 2]]);
    });

    it('show at once that a policy is gone which cannot be put back', async () => {
      list = acceptedOf(BEFORE, { generationOf: (key) => (key === 'finance' ? undefined : 1), version: 1 });
      observatory.publish(withReports(seen(), { finance: undefined }));
      await clock.advance(100);
      expect(frames).toMatchObject([
        { deviations: [{ deviation: { phase: 'Pending', reason: 'Absent' }, policies: ['finance'] }], total: { count: 1 } },
      ]);
    });

    it('are left out while the commit is written, where something else happens', async () => {
      list = acceptedOf(BEFORE, { generationOf: (key) => (key === 'finance' ? undefined : 1), version: 1, isChanging: true });
      reporter.event({ time: NOW.toISOString(), severity: 'info', reason: 'Other', message: '' });
      await clock.advance(100);
      expect(frames.splice(0)).toMatchObject([{ deviations: [], total: { count: 0, root: EMPTY_DIGEST }, events: [{ reason: 'Other' }] }]);
      await clock.advance(1_500);
      expect(frames).toMatchObject([{ deviations: [{ policies: ['finance'] }], total: { count: 1 } }]);
    });
  });
});
