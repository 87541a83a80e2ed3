import { ADMISSION_POLICY_KIND, FLOOR_PARAMETERS_KIND } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import { type Action, type Governance, planGovernance } from '../enforce/index.ts';
import { policyOf } from '../enforce/testing/policies.ts';
import { ConstraintThrottle, FloorThrottle, ParametersThrottle } from './throttles.ts';

const NOW = new Date('2026-01-03T10:30:00Z');
const governanceOf = (count: number): Governance =>
  planGovernance(
    Array.from({ length: count }, (_item, index) => policyOf(`p${index}`, { targetNamespace: `n${index}`, allowedRegions: ['eu-west-1'] })),
    [],
    NOW,
  );
const keyOf = (governance: Governance): string => `K8sGeoResidency/${governance.constraints[0]?.name ?? ''}`;

const planOf = (governance: Governance, reason = 'Join') => ({
  governance,
  gatekeeper: [{ key: keyOf(governance), reason }] as unknown as Action[],
  present: new Set([keyOf(governance)]),
});

describe('ConstraintThrottle', () => {
  it('never holds a single change, a repair, or a constraint that is not there yet', () => {
    const throttle = new ConstraintThrottle();
    expect(throttle.due(planOf(governanceOf(2)), 1, 0).actions).toHaveLength(1);
    expect(throttle.due(planOf(governanceOf(2), 'Drift'), 100, 0).actions).toHaveLength(1);
    expect(throttle.due({ ...planOf(governanceOf(2)), present: new Set() }, 100, 0).actions).toHaveLength(1);
  });

  it('writes a constraint in a storm once it is quiet', () => {
    const throttle = new ConstraintThrottle();
    const first = planOf(governanceOf(20));
    expect(throttle.due(first, 20, 0)).toEqual({ actions: [], waitMs: 200 });
    expect(throttle.due(first, 20, 150)).toEqual({ actions: [], waitMs: 50 });
    expect(throttle.due(planOf(governanceOf(21)), 21, 190)).toEqual({ actions: [], waitMs: 200 });
    expect(throttle.due(planOf(governanceOf(21)), 21, 390).waitMs).toBe(200);
    const last = planOf(governanceOf(22));
    throttle.due(last, 22, 400);
    expect(throttle.due(last, 22, 600)).toEqual({ actions: last.gatekeeper, waitMs: undefined });
  });

  it('forgets a constraint that needed no write in between', () => {
    const throttle = new ConstraintThrottle();
    throttle.due(planOf(governanceOf(20)), 20, 0);
    throttle.due({ ...planOf(governanceOf(20)), gatekeeper: [] }, 20, 100);
    expect(throttle.due(planOf(governanceOf(21)), 21, 60_000)).toEqual({ actions: [], waitMs: 200 });
  });

  it('writes a constraint that never stops changing after two seconds', () => {
    const throttle = new ConstraintThrottle();
    const written = Array.from({ length: 21 }, (_item, index) => throttle.due(planOf(governanceOf(20 + index)), 20, index * 100)).map(
      ({ actions }) => actions.length,
    );
    expect(written).toEqual([...Array.from({ length: 20 }, () => 0), 1]);
  });
});

describe('FloorThrottle', () => {
  const common = { kind: ADMISSION_POLICY_KIND, reason: 'Leave', policies: [] };
  const gone: Action = { ...common, type: 'delete', key: 'ValidatingAdmissionPolicy/fso-floor-old', ref: { name: 'fso-floor-old' } };
  const wanted: Action = {
    ...common,
    type: 'apply',
    key: 'ValidatingAdmissionPolicy/fso-floor-new',
    body: { metadata: { name: 'fso-floor-new' } },
    fieldManager: 'test',
  };

  it('lets the old go only after the new was there for a while, without a break', () => {
    const throttle = new FloorThrottle();
    expect(throttle.due({ floor: [wanted] }, false, 0)).toEqual({ actions: [wanted], waitMs: undefined });
    expect(throttle.due({ floor: [gone] }, false, 1_000)).toEqual({ actions: [], waitMs: 5_000 });
    expect(throttle.due({ floor: [gone] }, false, 4_000)).toEqual({ actions: [], waitMs: 2_000 });
    expect(throttle.due({ floor: [wanted, gone] }, false, 5_000)).toEqual({ actions: [wanted], waitMs: undefined });
    expect(throttle.due({ floor: [gone] }, false, 6_000)).toEqual({ actions: [], waitMs: 5_000 });
    expect(throttle.due({ floor: [gone] }, false, 11_000)).toEqual({ actions: [gone], waitMs: undefined });
  });

  it('lets the old go only when the new is proven, or will not be', () => {
    const throttle = new FloorThrottle();
    throttle.due({ floor: [gone] }, true, 0);
    expect(throttle.due({ floor: [gone] }, true, 60_000)).toEqual({ actions: [], waitMs: undefined });
    expect(throttle.due({ floor: [gone] }, false, 60_001)).toEqual({ actions: [gone], waitMs: undefined });
  });
});

describe('ParametersThrottle', () => {
  const KEY = 'FloorParameters/fso-namespaces';
  const actionOf = (bytes: number, reason = 'Grow'): Action => ({
    type: 'apply',
    key: KEY,
    kind: FLOOR_PARAMETERS_KIND,
    body: { metadata: { name: 'fso-namespaces', annotations: { padding: 'x'.repeat(bytes) } } },
    fieldManager: 'fso-floor',
    reason,
    policies: [],
  });

  it('holds a large object after it was written, the longer the larger it is', () => {
    const throttle = new ParametersThrottle();
    const large = [actionOf(1_000_000)];
    expect(throttle.due(large, 0)).toEqual({ actions: large, waitMs: undefined });
    throttle.noteWrite(KEY, 100);
    const held = throttle.due(large, 200);
    expect(held.actions).toEqual([]);
    expect(held.waitMs).toBeGreaterThan(4_800);
    expect(held.waitMs).toBeLessThan(5_100);
    expect(throttle.due(large, 200 + (held.waitMs ?? 0))).toEqual({ actions: large, waitMs: undefined });

    const small = new ParametersThrottle();
    small.due([actionOf(2_000)], 0);
    small.noteWrite(KEY, 0);
    expect(small.due([actionOf(2_000)], 0).waitMs).toBeLessThan(15);
  });

  it('holds neither what was not written yet, nor a repair, nor what is missing', () => {
    const throttle = new ParametersThrottle();
    throttle.due([actionOf(1_000_000)], 0);
    // Running, waiting or failing: the pool must see it again, or it would forget what it knows of
    // it.
    expect(throttle.due([actionOf(1_000_000)], 10).actions).toHaveLength(1);
    throttle.noteWrite(KEY, 20);
    throttle.noteWrite('Namespace/finance', 20);
    expect(throttle.due([actionOf(1_000_000)], 30).actions).toHaveLength(0);
    for (const reason of ['Drift', 'Install', 'Update']) expect(throttle.due([actionOf(1_000_000, reason)], 30).actions).toHaveLength(1);
  });

  it('writes new names at once beside any growth, at a rate of their own', () => {
    const throttle = new ParametersThrottle();
    const write = (bytes: number, reason: string, now: number): boolean => {
      const isDue = throttle.due([actionOf(bytes, reason)], now).actions.length > 0;
      if (isDue) throttle.noteWrite(KEY, now);
      return isDue;
    };
    expect(write(100_000, 'Grow', 0)).toBe(true);
    expect(write(100_000, 'Grow', 1)).toBe(false);
    // As often as a tenant toggles a policy, and as often as names come.
    expect([1, 2, 3, 4, 5].map((now) => write(100_000, 'Cover', now))).toEqual([true, true, true, true, false]);
    const held = throttle.due([actionOf(100_000, 'Cover')], 5);
    expect(held.waitMs).toBeCloseTo(246, 0);
    expect(write(100_000, 'Cover', 5 + (held.waitMs ?? 0))).toBe(true);
    expect(throttle.due([actionOf(100_000, 'Grow')], 251).waitMs).toBeGreaterThan(400);
  });

  it('writes new names of a large object less often', () => {
    const throttle = new ParametersThrottle();
    const writes = Array.from({ length: 60 }, (_, second) => {
      const { length } = throttle.due([actionOf(1_200_000, 'Cover')], second * 1_000).actions;
      if (length > 0) throttle.noteWrite(KEY, second * 1_000);
      return length;
    });
    expect(writes.reduce((sum, length) => sum + length, 0)).toBe(40);
  });
});
