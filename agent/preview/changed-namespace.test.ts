import { SovereignPolicySpec } from '@fso/shared/api';
import { USUAL_PLACE } from '@fso/shared/compile';
import { describe, expect, it } from 'vitest';
import { createGovernor, type Governor, type PolicyInput } from '../enforce/index.ts';
import { NO_PROVIDERS } from '../enforce/types.ts';
import { changedNamespace } from './changed-namespace.ts';

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

const inputOf = (name: string, targetNamespace: string): PolicyInput => ({
  ...{ key: name, namespace: 'system', name, managedBy: 'hub', revision: undefined, generation: 0, deleting: false },
  spec: SovereignPolicySpec.parse({ targetNamespace, allowedRegions: names('region', 100), excludedNamespaces: names('other', 100) }),
});

/** @returns what the steps cost, and their result */
const run = <T>(steps: Generator<number | undefined, T>) => {
  const costs: number[] = [];
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return { costs, result: step.value };
    costs.push(step.value ?? 1);
  }
};

const governorOf = (...policies: PolicyInput[]): Governor => {
  return run(createGovernor(policies, { place: USUAL_PLACE, providers: NO_PROVIDERS }, new Date('2026-01-01T00:00:00Z'))).result;
};

describe('a step of one namespace', () => {
  const change = { injects: true, losesNodes: false };
  const none = governorOf();

  it('costs the patterns that it tries, then the regions that it intersects, one side at a time', () => {
    const globs = names('p', 50).map((name) => inputOf(name, '*'));
    const before = governorOf(...globs.slice(0, 20));
    const { costs, result } = run(changedNamespace('n-1', { before, after: governorOf(...globs), ...change }));
    // Globs leave out the namespaces of the cluster itself, too.
    const perGlob = (costs[0] ?? 0) / 20;
    expect(perGlob).toBeGreaterThan(100);
    expect(perGlob).toBeLessThan(120);
    expect(costs[1]).toBeGreaterThan(2 * (costs[0] ?? 0));
    expect(costs.slice(2)).toEqual([20 * 101, 50 * 101]);
    expect(result?.after?.deny.policies).toHaveLength(50);
  });

  it('costs those of the policies that name it, and of no others', () => {
    const after = governorOf(inputOf('a', 'n-1'), inputOf('b', 'n-1'), inputOf('c', 'n-2'));
    expect(run(changedNamespace('n-1', { before: none, after, ...change })).costs).toEqual([1, 3, 0, 2 * 101]);
    expect(run(changedNamespace('n-3', { before: none, after, ...change }))).toEqual({ costs: [1, 1], result: undefined });
  });

  it('costs no regions where the same rules govern', () => {
    const same = governorOf(inputOf('a', '*'));
    expect(run(changedNamespace('n-1', { before: same, after: same, ...change })).costs).toHaveLength(2);
  });
});
