import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Constraint } from './gatekeeper/kinds.ts';
import { planGovernance } from './governance.ts';
import { planNamespaces } from './namespaces.ts';
import { anyPolicies, applyToNamespaces, NAMESPACES, NOW, namespaceOf, policyOf } from './testing/policies.ts';
import type { Governance, NamespaceInput } from './types.ts';

const someNamespaces = fc.subarray([...NAMESPACES]).map((names) => names.map((name) => namespaceOf(name)));

/** Removes the former state of constraints, which is known only from a previous result. */
const withoutHistory = (governance: Governance) => ({
  ...governance,
  constraints: governance.constraints.map((constraint) => ({ ...constraint, former: undefined })),
});

describe('planGovernance with a previous result', () => {
  it('gives the same result as without one, but for what is in the cluster', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyPolicies, someNamespaces), { minLength: 2, maxLength: 5 }), (rounds) => {
        let previous: Governance | undefined;
        for (const [policies, namespaces] of rounds) {
          const next = planGovernance(policies, namespaces, NOW, { previous });
          const constraints = previous?.constraints.map(({ body }) => body as Constraint) ?? [];
          expect(withoutHistory(next)).toEqual(withoutHistory(planGovernance(policies, namespaces, NOW, { constraints })));
          previous = next;
        }
      }),
    );
  });

  it('returns the same object while nothing changed, and keeps unchanged parts', () => {
    const namespaces = ['finance', 'payments'].map((name) => namespaceOf(name));
    const finance = policyOf('finance', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'] });
    const payments = (regions: string[]) => policyOf('payments', { targetNamespace: 'payments', allowedRegions: regions });
    const policies = [finance, payments(['eu-west-1'])];
    const before = planGovernance(policies, namespaces, NOW);
    expect(planGovernance([...policies], [...namespaces], NOW, { previous: before })).toBe(before);
    const after = planGovernance([finance, payments(['us-east-1'])], namespaces, NOW, { previous: before });
    expect(after.namespaces.get('finance')).toBe(before.namespaces.get('finance'));
    expect(after.policies.get('team/finance')).toBe(before.policies.get('team/finance'));
    expect(after.namespaces.get('payments')).not.toBe(before.namespaces.get('payments'));
  });

  it('notices an expiry without any other change', () => {
    const brief = policyOf('brief', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'], expiryDate: '2026-01-03T10:30:05Z' });
    const namespaces = [namespaceOf('finance')];
    const before = planGovernance([brief], namespaces, NOW);
    const after = planGovernance([brief], namespaces, new Date('2026-01-03T10:30:05Z'), { previous: before });
    expect(after.policies.get('team/brief')?.kind).toBe('expired');
    expect(after.namespaces.size).toBe(0);
  });

  it('writes no namespace twice, and does not report the next change as drift', () => {
    const plan = (policies: Parameters<typeof planGovernance>[0], namespaces: readonly NamespaceInput[], previous?: Governance) => {
      const governance = planGovernance(policies, namespaces, NOW, { previous });
      return { governance, actions: planNamespaces(governance, namespaces, NOW) };
    };
    const policies = [policyOf('finance', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'] })];
    const first = plan(policies, [namespaceOf('finance')]);
    const labelled = applyToNamespaces([namespaceOf('finance')], first.actions);
    const second = plan(policies, labelled, first.governance);
    expect(second.actions).toEqual([]);
    expect(plan(policies, labelled, second.governance).actions).toEqual([]);
    expect(plan([], labelled, second.governance).actions).toMatchObject([{ reason: 'Release' }]);
  });
});
