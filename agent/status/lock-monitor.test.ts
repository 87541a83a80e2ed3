import { CANARY_NAMESPACE } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ClusterPlan } from '../plan/index.ts';
import type { Probers, ProbeState } from '../probe/index.ts';
import { LockMonitor, type LockMonitorDeps } from './lock-monitor.ts';

const PLAN = {
  governance: { namespaces: new Map() },
  constraintsByPolicy: new Map(),
  unapplied: new Set(),
  unlisted: new Set(),
  guardWhole: true,
  constraintProblem: () => undefined,
  webhook: { problem: undefined, exclusion: () => undefined },
} as unknown as ClusterPlan;

describe('the index of lock 1', () => {
  let clock: FakeClock;
  let state: Partial<ProbeState> | undefined;
  let floor: boolean;
  let deletionTimestamp: string | undefined;
  let monitor: LockMonitor;

  /**
   * Returns the problems of the index in one round, which are the same for policies and for the
   * cluster.
   */
  const round = () => {
    const { floor: told } = monitor.lockInput(PLAN, new Set());
    const { index, indexSilence } = monitor.findProblems(PLAN);
    expect([told.outage, told.unanswered]).toEqual([index, indexSilence]);
    return { index, indexSilence };
  };

  beforeEach(() => {
    clock = new FakeClock();
    state = { state: 'proven' };
    floor = true;
    deletionTimestamp = undefined;
    const metadata = {
      get deletionTimestamp() {
        return deletionTimestamp;
      },
    };
    const namespaces = { get: (name: string) => (name === CANARY_NAMESPACE ? { metadata } : undefined) };
    monitor = new LockMonitor({
      clock,
      view: { admissionPolicies: { list: () => [] }, templates: { served: true }, namespaces } as unknown as LockMonitorDeps['view'],
      capabilities: {
        kubernetesVersion: 'v1.36.3',
        bindGate: 'label',
        injection: 'v1',
        get floor() {
          return floor;
        },
      },
      probers: {
        lockOne: { outage: undefined, state: () => undefined },
        lockTwo: {},
        guard: {},
        index: { state: () => state },
      } as unknown as Probers,
      failures: () => [],
      graceMs: 30_000,
    });
  });

  it.each<ProbeState['state'] | undefined>(['pending', 'unanswered', undefined])(
    'is reported as unproven after a minute without a proof: %s',
    async (now) => {
      round();
      await clock.advance(100_000);
      state = now === undefined ? undefined : { state: now, message: 'webhook x refuses' };
      expect(round()).toEqual({ index: undefined, indexSilence: undefined });
      expect(monitor.gracesLeftMs()).toEqual([60_001]);
      await clock.advance(59_999);
      expect(round().indexSilence).toBeUndefined();
      await clock.advance(1);
      expect(round().indexSilence).toContain(now === undefined ? 'nothing can be asked yet' : 'webhook x refuses');
      expect([monitor.gracesLeftMs(), monitor.isIndexOpen]).toEqual([[], false]);
      state = { state: 'proven' };
      expect(round().indexSilence).toBeUndefined();
    },
  );

  it('reports that its namespace is being deleted', async () => {
    [state, deletionTimestamp] = [{ state: 'unanswered', message: 'is being terminated' }, '2026-01-01T00:00:00Z'];
    round();
    await clock.advance(60_000);
    expect(round().indexSilence).toContain('the namespace is being deleted; is being terminated');
  });

  it('is open, not silent, where it was seen to judge nothing', async () => {
    state = { state: 'failed', message: 'a pod was admitted' };
    round();
    await clock.advance(60_000);
    expect(round()).toEqual({ index: expect.stringContaining('a pod was admitted'), indexSilence: undefined });
  });

  it('is not reported missing where the cluster cannot have lock 1', async () => {
    [state, floor] = [undefined, false];
    round();
    await clock.advance(60_000);
    expect(round()).toEqual({ index: undefined, indexSilence: undefined });
  });
});
