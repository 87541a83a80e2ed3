import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SovereignPolicySpecInput } from '../../api/index.ts';
import { matchesNamespace } from '../../compile/index.ts';
import { compareFleets } from '../effects.ts';
import { cluster, fleet, policy } from '../testing/policy-sets.ts';
import { beyondAccepted } from './beyond.ts';
import { type PlannedEffects, plannedEffects } from './planned-effects.ts';

const ONE = [cluster('one', ['r1', 'r2'])];
const compared = (before: SovereignPolicySpecInput[], after: SovereignPolicySpecInput[]): PlannedEffects => {
  const fleetOf = (specs: SovereignPolicySpecInput[]) =>
    fleet(
      specs.map((spec, index) => policy(`p${index}`, spec)),
      { clusters: ONE },
    );
  const { effects, patterns } = compareFleets(fleetOf(before), fleetOf(after));
  return plannedEffects(effects, { workloads: null, patterns });
};

describe('patterns of namespaces', () => {
  const wide = { targetNamespace: '*', allowedRegions: ['r1', 'r2'] };
  const tight = { targetNamespace: '*', allowedRegions: ['r1'] };
  const finance = { targetNamespace: 'finance', allowedRegions: ['r1', 'r2'] };

  it('are not accepted for namespaces that the accepted plan left out of them', () => {
    const accepted = compared([wide], [{ ...tight, excludedNamespaces: ['finance'] }, finance]);
    const today = compared([wide], [tight]);
    expect(accepted.effects.map(({ namespaces }) => namespaces)).toEqual([['*']]);
    expect(today.effects.map(({ namespaces }) => namespaces)).toEqual([['*']]);
    expect(beyondAccepted(today, accepted)).toEqual([
      {
        clusters: ['one'],
        message: 'namespace *: deny tightened, where the pattern stands for other namespaces than in the plan: plan again',
      },
    ]);
  });

  const pattern = fc.constantFrom('*', 'a-*', '*-b', 'a-b', 'a-c');
  const spec = fc.record({
    targetNamespace: pattern,
    allowedRegions: fc.subarray(['r1', 'r2', 'r3'], { minLength: 1 }),
    excludedNamespaces: fc.array(pattern, { maxLength: 1 }),
  });
  const names = ['a-b', 'a-c', 'a-d', 'x-b', 'x'];
  const isRefused = (specs: SovereignPolicySpecInput[], namespace: string, region: string): boolean =>
    specs.some(
      ({ targetNamespace, excludedNamespaces = [], allowedRegions }) =>
        matchesNamespace(targetNamespace, namespace) &&
        !excludedNamespaces.some((each) => matchesNamespace(each, namespace)) &&
        !allowedRegions.includes(region),
    );

  /** Places whose pods a change treats otherwise than before, and another change does not. */
  const unaccepted = (before: SovereignPolicySpecInput[], today: SovereignPolicySpecInput[], accepted: SovereignPolicySpecInput[]) =>
    names
      .flatMap((namespace) => ['r1', 'r2', 'r3', 'other'].map((region) => [namespace, region] as const))
      .filter((place) => {
        const [had, has, accepts] = [before, today, accepted].map((specs) => isRefused(specs, ...place));
        return had !== has && accepts !== has;
      });

  it('have no namespace whose pods the accepted plan did not refuse, nor admit', () => {
    let accepts = 0;
    const check = (before: SovereignPolicySpecInput[], today: SovereignPolicySpecInput[], accepted: SovereignPolicySpecInput[]): void => {
      if (beyondAccepted(compared(before, today), compared(before, accepted)).length > 0) return;
      accepts += 1;
      expect(unaccepted(before, today, accepted)).toEqual([]);
    };
    const specs = fc.array(spec, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(specs, specs, fc.nat(2), spec, (before, accepted, at, other) => {
        const index = at % accepted.length;
        // A policy that stays as it was, goes, or is another one.
        for (const today of [accepted.with(index, before[0] ?? other), accepted.toSpliced(index, 1), accepted.with(index, other)])
          check(before, today, accepted);
      }),
      { numRuns: 500 },
    );
    expect(accepts).toBeGreaterThan(50);
  });
});
