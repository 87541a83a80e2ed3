import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FLOOR_ACTIONS, REGION_LABEL } from '../api/index.ts';
import { byText } from '../encoding/index.ts';
import { type CombinablePolicy, type CombinedAction, combinePolicies } from './combine.ts';
import { decideResidency } from './decide.ts';
import { isExpired } from './expiry.ts';

const REGIONS = ['eu-central-1', 'eu-west-1', 'us-east-1', 'ap-southeast-1'];
const NOW = Date.parse('2026-01-03T10:30:00Z');

interface DatedPolicy extends CombinablePolicy {
  readonly expiryDate?: string | undefined;
}

const policy = (key: string): fc.Arbitrary<DatedPolicy> =>
  fc.record({
    key: fc.constant(key),
    // A custom policy takes part in several actions, or in none.
    actions: fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...FLOOR_ACTIONS).map((action) => [action]) },
      fc.subarray([...FLOOR_ACTIONS]),
    ),
    regions: fc.array(fc.constantFrom(...REGIONS), { maxLength: 5 }),
    expiryDate: fc.constantFrom(undefined, '2026-01-03T10:30:00Z', '2026-01-03T10:30:01Z', '2025-12-31T00:00:00+01:00', 'soon'),
  });
const anyPolicies = fc.subarray(['team/a', 'team/b', 'team/c', 'gov/a', 'gov/b']).chain((keys) => fc.tuple(...keys.map(policy)));

const actionOf = (combined: readonly CombinedAction[], action: string): CombinedAction | undefined =>
  combined.find((entry) => entry.action === action);
const isAdmitted = (region: string, combined: readonly CombinedAction[]): boolean => {
  const deny = actionOf(combined, 'deny');
  return deny === undefined || decideResidency({ nodeSelector: { [REGION_LABEL]: region } }, deny.regions).admitted;
};
const inForce = (policies: readonly DatedPolicy[]): readonly DatedPolicy[] =>
  policies.filter(({ expiryDate }) => !isExpired(expiryDate, NOW));

describe('combinePolicies', () => {
  it('does not depend on the order of policies and regions', () => {
    fc.assert(
      fc.property(anyPolicies, (policies) => {
        const reversed = [...policies].reverse().map(({ regions, ...rest }) => ({ ...rest, regions: [...regions].reverse() }));
        const withoutRegions = (combined: readonly CombinedAction[]) =>
          combined.map(({ policies: taking, ...rest }) => ({ ...rest, policies: taking.map(({ key }) => key) }));
        expect(withoutRegions(combinePolicies(reversed))).toEqual(withoutRegions(combinePolicies(policies)));
      }),
    );
  });

  it('never allows more under deny with one policy more, and none that only warns changes what deny allows', () => {
    fc.assert(
      fc.property(anyPolicies, policy('team/z'), (policies, added) => {
        const [before, after] = [combinePolicies(policies), combinePolicies([...policies, added])];
        for (const region of REGIONS) expect(isAdmitted(region, before) || !isAdmitted(region, after)).toBe(true);
        if (!added.actions.includes('deny')) expect(actionOf(after, 'deny')).toEqual(actionOf(before, 'deny'));
      }),
    );
  });

  it('allows a region under an action exactly if each policy of that action does, and lists actions strongest first', () => {
    fc.assert(
      fc.property(anyPolicies, (policies) => {
        const combined = combinePolicies(policies);
        const governing = FLOOR_ACTIONS.filter((action) => policies.some(({ actions }) => actions.includes(action)));
        expect(combined.map(({ action }) => action)).toEqual(governing);
        for (const { action, regions, policies: taking } of combined) {
          const own = policies.filter(({ actions }) => actions.includes(action));
          expect(taking.map(({ key }) => key)).toEqual(own.map(({ key }) => key).sort(byText));
          expect(regions).toEqual(REGIONS.filter((region) => own.every((one) => one.regions.includes(region))).sort(byText));
        }
      }),
    );
  });

  it('does not change when an expired policy is added', () => {
    fc.assert(
      fc.property(anyPolicies, policy('team/z'), (policies, added) => {
        const expired = { ...added, expiryDate: '2026-01-03T10:30:00Z' };
        expect(combinePolicies(inForce([...policies, expired]))).toEqual(combinePolicies(inForce(policies)));
      }),
    );
  });
});
