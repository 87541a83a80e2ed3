import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planGovernance } from '../governance.ts';
import { anyPolicies, NOW, policyOf } from '../testing/policies.ts';
import type { Governance } from '../types.ts';
import { canaryBody } from './canary.ts';
import { constraintBody, groupIdentityOf, groupOf, withBindGate } from './constraint.ts';
import { planGatekeeper } from './gatekeeper.ts';
import type { Constraint } from './kinds.ts';
import {
  apply,
  enforcedAt,
  eu,
  farther,
  GATE,
  namesIn,
  namespaces,
  other,
  plan,
  planLockTwo,
  settle,
  summary,
  template,
  wider,
} from './testing/plans.ts';

describe('planGatekeeper', () => {
  it('waits for Gatekeeper, then for its constraint kind', () => {
    const governance = planGovernance([eu], namespaces, NOW);
    const base = { governance, template: undefined, constraints: undefined };
    expect(planGatekeeper({ ...base, gatekeeperServed: false })).toEqual([]);
    expect(planGatekeeper({ ...base, gatekeeperServed: true })).toMatchObject([
      { key: 'ConstraintTemplate/k8sgeoresidency', reason: 'Install' },
    ]);
    expect(planGatekeeper({ ...base, template, gatekeeperServed: true })).toEqual([]);
  });

  it('restores a changed template', () => {
    const changed = { ...template, spec: { ...template.spec, targets: [] } };
    const governance = planGovernance([], namespaces, NOW);
    const constraints = [canaryBody()];
    expect(planGatekeeper({ governance, template: changed, constraints, gatekeeperServed: true })).toMatchObject([{ reason: 'Drift' }]);
  });

  it('moves a policy make-before-break', () => {
    const before = settle([eu, other], []);
    expect(summary(before)).toEqual([['eu-west-1', 'team/eu,team/other']]);
    const joined = apply(before, plan([wider, other], before));
    expect(summary(joined)).toEqual([
      ['eu-west-1', 'team/eu,team/other'],
      ['eu-central-1,eu-west-1', 'team/eu'],
    ]);
    expect(plan([wider, other], joined)).toEqual([]);
    const enforced = joined.map(enforcedAt);
    expect(plan([wider, other], enforced)).toMatchObject([{ type: 'apply', reason: 'Leave', policies: ['team/other'] }]);
    expect(summary(apply(enforced, plan([wider, other], enforced)))).toEqual([
      ['eu-west-1', 'team/other'],
      ['eu-central-1,eu-west-1', 'team/eu'],
    ]);
  });

  it('drops policies that no longer govern at once, and constraints without policies', () => {
    const before = settle([eu, other], []);
    const expired = policyOf('eu', { ...eu.spec, expiryDate: '2026-01-01T00:00:00Z' });
    expect(plan([expired, other], before)).toMatchObject([{ type: 'apply', reason: 'Leave', policies: ['team/other'] }]);
    expect(plan([{ ...eu, deleting: true }], before)).toMatchObject([
      { type: 'delete', reason: 'Leave', policies: ['team/eu', 'team/other'] },
    ]);
  });

  it('restores changes, and first patches away additions', () => {
    const [constraint] = settle([eu], []);
    if (constraint === undefined) return expect.fail('no constraint');
    const { spec } = constraint;
    expect(plan([eu], [{ ...constraint, spec: { ...spec, enforcementAction: 'dryrun' } }])).toMatchObject([
      { type: 'apply', reason: 'Drift' },
    ]);
    const match = { ...spec?.match, labelSelector: { matchLabels: { app: 'no' } } };
    const changed = { ...spec, match, enforcementAction: 'scoped', scopedEnforcementActions: [] };
    const [patch, apply, ...more] = plan([eu], [{ ...constraint, spec: changed }]);
    expect(patch).toMatchObject({ type: 'patch', key: apply?.key, reason: 'Drift', ref: { name: constraint.metadata.name } });
    expect(patch).toHaveProperty('patch', {
      spec: { ...spec, scopedEnforcementActions: null, match: { ...spec?.match, labelSelector: null } },
    });
    expect(apply).toMatchObject({ type: 'apply', reason: 'Drift' });
    expect(more).toEqual([]);
  });

  it('leaves constraints of others alone', () => {
    expect(plan([], [{ metadata: { name: 'by-hand' }, spec: { enforcementAction: 'warn' } }])).toEqual([]);
  });

  it('changes a constraint in place where the regions of all its policies change alike', () => {
    const [start] = settle([eu], []);
    const constraints = start === undefined ? [] : [start];
    const actions = plan([wider], constraints);
    expect(actions).toMatchObject([{ type: 'apply', reason: 'Move', body: { metadata: { name: start?.metadata.name } } }]);
    const [changed] = settle([wider], constraints);
    expect(groupOf(changed ?? { metadata: { name: '' } }).regions).toEqual(['eu-central-1', 'eu-west-1']);
    // The name is that of the first group, and stays when the policy returns to it, and when
    // another one gets that group.
    const later = settle([wider, other], changed === undefined ? [] : [changed]);
    expect(new Set(later.map(({ metadata }) => metadata.name)).size).toBe(2);
    expect(summary(later)).toContainEqual(['eu-west-1', 'team/other']);
    expect(settle([eu], changed === undefined ? [] : [changed])).toMatchObject([{ metadata: { name: start?.metadata.name } }]);
  });

  it('gives a policy another constraint where it leaves others behind, and keeps it in the old one until then', () => {
    const start = settle([eu, other], []);
    const actions = plan([wider, other], start);
    expect(actions).toMatchObject([{ type: 'apply', reason: 'Join' }]);
    expect(namesIn(apply(start, actions))).toEqual(['team/eu', 'team/other', 'team/eu']);
  });

  it('recognizes its own change where a policy is reverted before the cluster shows it', () => {
    const [old] = settle([eu], []);
    const present = old === undefined ? [] : [old];
    const first = planGovernance([eu], namespaces, NOW, { constraints: present });
    const second = planGovernance([wider], namespaces, NOW, { constraints: present, previous: first });
    const third = planGovernance([eu], namespaces, NOW, { constraints: present, previous: second });
    const shown = apply(present, planLockTwo(second, present));
    expect(planLockTwo(third, present)).toEqual([]);
    expect(planLockTwo(third, shown)).toMatchObject([{ type: 'apply', reason: 'Move' }]);
    const edited = present.map((constraint) =>
      constraintBody({ ...groupOf(constraint), regions: ['us-east-1'] }, [], constraint.metadata.name),
    );
    expect(planLockTwo(third, edited)).toMatchObject([{ reason: 'Drift' }]);
  });

  it('recognizes its own steps where a policy changes again before the cluster shows them', () => {
    const present = settle([eu], []);
    const first = planGovernance([eu], namespaces, NOW, { constraints: present });
    const second = planGovernance([wider], namespaces, NOW, { constraints: present, previous: first });
    const third = planGovernance([farther], namespaces, NOW, { constraints: present, previous: second });
    for (const constraints of [present, apply(present, planLockTwo(second, present))])
      expect(planLockTwo(third, constraints)).toMatchObject([{ type: 'apply', reason: 'Move' }]);
  });

  it('attributes a return of a constraint to others once the cluster has shown the move', () => {
    const present = settle([eu], []);
    const first = planGovernance([eu], namespaces, NOW, { constraints: present });
    const moving = planGovernance([wider], namespaces, NOW, { constraints: present, previous: first });
    const moved = apply(present, planLockTwo(moving, present));
    const settled = planGovernance([wider], namespaces, NOW, { constraints: moved, previous: moving });
    expect(settled).not.toBe(moving);
    expect(planGovernance([wider], namespaces, NOW, { constraints: moved, previous: settled })).toBe(settled);
    expect(planLockTwo(settled, present)).toMatchObject([{ reason: 'Drift' }]);
    const again = moved.map((constraint) => ({ ...constraint, metadata: { ...constraint.metadata, uid: 'again', generation: 1 } }));
    const restored = planGovernance([wider], namespaces, NOW, { constraints: again, previous: moving });
    expect(planLockTwo(restored, present)).toMatchObject([{ reason: 'Drift' }]);
  });

  it('attributes it to others a minute later where a policy moved there and back before a write', () => {
    const present = settle([eu], []);
    const first = planGovernance([eu], namespaces, NOW, { constraints: present });
    const away = planGovernance([wider], namespaces, NOW, { constraints: present, previous: first });
    const back = planGovernance([eu], namespaces, NOW, { constraints: present, previous: away });
    const shown = apply(present, planLockTwo(away, present));
    expect(planLockTwo(back, shown)).toMatchObject([{ reason: 'Move' }]);
    const later = planGovernance([eu], namespaces, new Date(NOW.getTime() + 61_000), { constraints: present, previous: back });
    expect(planLockTwo(later, shown)).toMatchObject([{ reason: 'Drift' }]);
  });

  /** Group identities of the constraints that have each policy, by policy. */
  const rulesIn = (constraints: readonly Constraint[]): ReadonlyMap<string, readonly string[]> => {
    const rules = constraints.flatMap((constraint) => namesIn([constraint]).map((name) => [name, groupIdentityOf(constraint)] as const));
    return new Map([...Map.groupBy(rules, ([name]) => name)].map(([name, found]) => [name, found.map(([, rule]) => rule)]));
  };

  it('never puts a policy under the rule of another, nor leaves one without its own, without a new rule in force', () => {
    fc.assert(
      fc.property(fc.array(anyPolicies, { minLength: 2, maxLength: 5 }), (history) => {
        let constraints: readonly Constraint[] = [];
        let governance: Governance | undefined;
        const meant: (readonly [string, string])[] = [];
        for (const policies of history) {
          const before = rulesIn(constraints);
          governance = planGovernance(policies, namespaces, NOW, { constraints, previous: governance });
          const wanted = rulesIn(governance.constraints.map(({ body }) => body as Constraint));
          meant.push(...[...wanted].flatMap(([name, rules]) => rules.map((rule) => [name, rule] as const)));
          // Gatekeeper gets to enforce no object that it does not have yet.
          constraints = apply(constraints, planLockTwo(governance, constraints));
          const after = rulesIn(constraints);
          const given = [...after].flatMap(([name, rules]) => rules.map((rule) => [name, rule] as const));
          expect(meant).toEqual(expect.arrayContaining(given));
          expect([...after.keys()]).toEqual(expect.arrayContaining([...before.keys()].filter((name) => wanted.has(name))));
        }
      }),
    );
  });

  it('keeps constraints under the names that an earlier version gave them', () => {
    const [older] = planGovernance([eu], namespaces, NOW).constraints;
    const body = older?.body as Constraint;
    const renamed = enforcedAt({ ...body, metadata: { ...body.metadata, name: 'geo-deny-0123456789', uid: 'u', generation: 1 } });
    expect(plan([eu], [renamed])).toEqual([]);
    expect(plan([wider], [renamed])).toMatchObject([{ type: 'apply', key: 'K8sGeoResidency/geo-deny-0123456789', reason: 'Move' }]);
  });

  it('finds the group of a constraint in its content', () => {
    fc.assert(
      fc.property(anyPolicies, (policies) => {
        for (const { body, group } of planGovernance(policies, namespaces, NOW).constraints)
          expect(groupIdentityOf(body as Constraint)).toBe(group);
      }),
    );
  });

  it('settles from any policies to any others, and removes nothing before the replacement is enforced', () => {
    fc.assert(
      fc.property(anyPolicies, anyPolicies, fc.constantFrom(undefined, GATE), (before, after, gate) => {
        // The agent before may have had no bind gate.
        const start = settle(before, []);
        const settled = settle(after, start, gate);
        const wanted = planGovernance(after, namespaces, NOW, { constraints: start }).constraints;
        expect(new Map(settled.map(({ metadata, spec }) => [metadata.name, spec]))).toEqual(
          new Map(wanted.map(({ name, body }) => [name, ((gate === undefined ? body : withBindGate(body, gate)) as Constraint).spec])),
        );
        // A policy that moves is at first still in an object that Gatekeeper enforced before.
        const known = new Set(start.map(({ metadata }) => metadata.name));
        const half = apply(start, plan(after, start, gate)).filter(({ metadata }) => known.has(metadata.name));
        const governing = new Set(wanted.flatMap(({ policies }) => policies));
        expect(namesIn(half)).toEqual(expect.arrayContaining(namesIn(start).filter((name) => governing.has(name))));
      }),
    );
  });
});
