import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planGovernance } from '../governance.ts';
import { NOW, namespaceOf, ownPolicyOf } from '../testing/policies.ts';
import type { Governance } from '../types.ts';
import { constraintBody } from './constraint.ts';
import type { Constraint } from './kinds.ts';
import { enforcedAt, settle } from './testing/plans.ts';

describe('policies whose hashes begin alike', () => {
  /**
   * Found among a million lists: the first ten hexadecimal digits of the hashes of these groups are
   * the same.
   */
  const ALIKE = [
    ['us-east-1', 'x258940'],
    ['eu-west-1', 'x1039415'],
  ];
  const policies = ALIKE.map((allowedRegions, index) => ownPolicyOf(`p${index}`, { targetNamespace: 'team-a', allowedRegions }));
  const constraintsOf = (governance: Governance) =>
    governance.constraints.map(({ name, body }) => ({ name, ...(body as Constraint).spec?.parameters }));

  it('share no constraint', () => {
    const constraints = constraintsOf(planGovernance(policies, [namespaceOf('team-a')], NOW));
    const ends = constraints.map(({ name }) => name.slice(name.lastIndexOf('-') + 1));
    expect(new Set(ends.map((end) => end.slice(0, 10))).size).toBe(1);
    expect(new Set(ends).size).toBe(2);
    expect(constraints.map(({ regions, policies: entries }) => [regions, entries])).toEqual(
      expect.arrayContaining(ALIKE.map((regions, index) => [regions, [`team-a/p${index} team-a`]])),
    );
  });

  it('are enforced with their own regions over any history, also where an earlier version put them into one constraint', () => {
    const some = fc.subarray(policies);
    const older = constraintBody(
      { regions: ALIKE[0] ?? [], action: 'deny', excludedNamespaces: [], scoped: [] },
      policies.map(({ key }) => ({ name: key, pattern: 'team-a' })),
      'geo-deny-0123456789',
    );
    const start = enforcedAt({ ...older, metadata: { ...older.metadata, uid: 'u', generation: 1 } });
    fc.assert(
      fc.property(fc.array(some, { minLength: 1, maxLength: 5 }), fc.boolean(), (history, isOlder) => {
        const settled = history.reduce<Constraint[]>((constraints, wanted) => settle(wanted, constraints), isOlder ? [start] : []);
        const found = settled.map(({ spec }) => [spec?.parameters?.regions, spec?.parameters?.policies]);
        const last = history.at(-1) ?? [];
        expect(found).toHaveLength(last.length);
        for (const { key, spec } of last) expect(found).toContainEqual([spec.allowedRegions, [`${key} team-a`]]);
      }),
    );
  });
});
