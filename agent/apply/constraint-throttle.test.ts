import { describe, expect, it } from 'vitest';
import { planGovernance } from '../enforce/index.ts';
import { policyOf } from '../enforce/testing/policies.ts';
import type { Action, Governance } from '../enforce/types.ts';
import { ConstraintThrottle } from './constraint-throttle.ts';

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
    const pace = new ConstraintThrottle();
    expect(pace.due(planOf(governanceOf(2)), 1, 0).actions).toHaveLength(1);
    expect(pace.due(planOf(governanceOf(2), 'Drift'), 100, 0).actions).toHaveLength(1);
    expect(pace.due({ ...planOf(governanceOf(2)), present: new Set() }, 100, 0).actions).toHaveLength(1);
  });

  it('writes a constraint in a storm once it is quiet', () => {
    const pace = new ConstraintThrottle();
    const first = planOf(governanceOf(20));
    expect(pace.due(first, 20, 0)).toEqual({ actions: [], waitMs: 200 });
    expect(pace.due(first, 20, 150)).toEqual({ actions: [], waitMs: 50 });
    expect(pace.due(planOf(governanceOf(21)), 21, 190)).toEqual({ actions: [], waitMs: 200 });
    expect(pace.due(planOf(governanceOf(21)), 21, 390).waitMs).toBe(200);
    const last = planOf(governanceOf(22));
    pace.due(last, 22, 400);
    expect(pace.due(last, 22, 600)).toEqual({ actions: last.gatekeeper, waitMs: undefined });
  });

  it('writes a constraint that never stops changing after two seconds', () => {
    const pace = new ConstraintThrottle();
    const written = Array.from({ length: 21 }, (_item, index) => pace.due(planOf(governanceOf(20 + index)), 20, index * 100)).map(
      ({ actions }) => actions.length,
    );
    expect(written).toEqual([...Array.from({ length: 20 }, () => 0), 1]);
  });
});
