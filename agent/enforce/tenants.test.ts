import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { describe, expect, it } from 'vitest';
import { planFloorParameters } from './floor/floor-parameters.ts';
import { planGovernance } from './governance.ts';
import { MAX_OWN_POLICIES } from './tenants.ts';
import { NOW, namespaceOf, ownPolicyOf, policyOf } from './testing/policies.ts';
import { NO_EXCEPTIONS, type PolicyInput } from './types.ts';

const EU = ['eu-central-1', 'eu-west-1'];
const hub = (name: string, targetNamespace: string): PolicyInput =>
  policyOf(name, { targetNamespace, allowedRegions: EU }, { managedBy: 'hub', namespace: SYSTEM_NAMESPACE, revision: 'c'.repeat(40) });
const indexOf = (policies: readonly PolicyInput[], names: readonly string[]) => {
  const governance = planGovernance(
    policies,
    names.map((name) => namespaceOf(name)),
    NOW,
  );
  const { actions, overflow } = planFloorParameters({ governance, nodes: [], exceptions: NO_EXCEPTIONS, observed: [], bindGate: 'label' });
  const body = actions.flatMap((action) => (action.type === 'apply' ? [action.body] : [])).at(-1) as { spec?: object } | undefined;
  const spec = (body?.spec ?? {}) as { namespaces: Record<string, { policies: string; revisions: string }>; patterns: unknown[] };
  return { spec, overflow };
};

describe("a namespace's own policies", () => {
  it('share no constraint with those of others, with any regions', () => {
    const tenants = Array.from({ length: 60 }, (_, index) => `team-${index}`);
    const policies = [
      hub('finance', 'finance'),
      // A user with rights in all namespaces wrote it: the guard lets no other user target another
      // namespace.
      policyOf('payments', { targetNamespace: 'payments', allowedRegions: EU }),
      ...tenants.map((targetNamespace) => ownPolicyOf('p', { targetNamespace, allowedRegions: EU })),
    ];
    const { constraints } = planGovernance(policies, [], NOW);
    const [shared, ...others] = constraints.toSorted(
      (a, b) => Number(b.policies.includes('finance')) - Number(a.policies.includes('finance')),
    );
    expect(shared?.policies).toEqual(['finance', 'team/payments']);
    expect(others.flatMap(({ policies: names }) => names).toSorted(byText)).toEqual(tenants.map((name) => `${name}/p`).toSorted(byText));
    // Few, however many namespaces have any: Gatekeeper matches every pod of the cluster against
    // each.
    expect(others.length).toBeLessThanOrEqual(16);
  });

  it('apply up to a limit, the oldest first', () => {
    const policies = Array.from({ length: MAX_OWN_POLICIES + 3 }, (_, index) =>
      ownPolicyOf(
        `p${String(99 - index)}`,
        { targetNamespace: 'team-a', allowedRegions: EU },
        { created: `2026-01-01T00:00:${10 + Math.floor((index + 1) / 2)}Z` },
      ),
    );
    const expired = Array.from({ length: 5 }, (_, index) =>
      ownPolicyOf(
        `old${index}`,
        { targetNamespace: 'team-a', allowedRegions: EU, expiryDate: '2025-01-01T00:00:00Z' },
        { created: '2025-01-01T00:00:00Z' },
      ),
    );
    const plan = (all: readonly PolicyInput[]) => planGovernance(all, [namespaceOf('team-a')], NOW).policies;
    const outcomes = plan([...policies, ...expired]);
    const surplus = [...outcomes].filter(([, outcome]) => outcome.kind === 'invalid').map(([key]) => key);
    // The twentieth and the one after it share a second: the name decides.
    expect(surplus).toEqual(['team-a/p77', 'team-a/p78', 'team-a/p80']);
    expect(outcomes.get('team-a/p77')).toMatchObject({ surplus: true, message: expect.stringContaining('more than 20') });
    expect(plan([...policies, ...expired].reverse())).toEqual(outcomes);
    // Policies of users with rights in all namespaces are not limited.
    const many = Array.from({ length: 50 }, (_, index) => policyOf(`p${index}`, { targetNamespace: 'team-a', allowedRegions: EU }));
    expect([...plan(many).values()].every(({ kind }) => kind === 'governing')).toBe(true);
  });

  it('occupy no room in the index that others need', () => {
    const tenants = Array.from({ length: 250 }, (_, index) => `a-${index}`);
    const regions = Array.from({ length: 100 }, (_, index) => `r${index}`.padEnd(63, 'x'));
    const policies = [
      hub('finance', 'finance'),
      hub('all', 'fin*'),
      ...tenants.map((targetNamespace) => ownPolicyOf('p'.repeat(240), { targetNamespace, allowedRegions: regions })),
    ];
    const { spec, overflow } = indexOf(policies, ['finance', ...tenants]);
    expect(overflow.namespaces).toBeGreaterThan(0);
    expect(spec.namespaces['finance']).toMatchObject({ policies: 'all,finance' });
    expect(spec.patterns).toHaveLength(1);
    expect(overflow.patterns).toBe(0);
  });

  it('occupy a few hundred bytes of the entry of a namespace, after those of others', () => {
    const own = Array.from({ length: MAX_OWN_POLICIES }, (_, index) =>
      ownPolicyOf(`a${index}`.padEnd(240, 'x'), { targetNamespace: 'finance', allowedRegions: EU }),
    );
    const { spec } = indexOf([...own, hub('finance', 'finance')], ['finance']);
    expect(spec.namespaces['finance']).toMatchObject({
      policies: expect.stringMatching(/^(?=.{1,599}$)finance,finance\/a0/),
      revisions: `${'c'.repeat(40)},-`,
    });
  });
});
