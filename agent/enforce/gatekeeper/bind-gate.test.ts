import { describe, expect, it } from 'vitest';
import { planGovernance } from '../governance.ts';
import { NOW, policyOf } from '../testing/policies.ts';
import { canaryBody } from './canary.ts';
import { constraintBody, groupOf } from './constraint.ts';
import { planGatekeeper } from './gatekeeper.ts';
import type { Constraint } from './kinds.ts';
import { BINDERS, eu, namespaces, plan, settle, template } from './testing/plans.ts';

describe('the bind gate of lock 2', () => {
  const bindings = (constraint: Constraint | undefined) =>
    constraint?.spec as { match: { kinds: unknown[] }; parameters: object } | undefined;

  it('is part of constraints that can refuse, under the same name', () => {
    const [pods] = settle([eu], []);
    const [both] = settle([eu], pods === undefined ? [] : [pods], BINDERS);
    expect(both?.metadata.name).toBe(pods?.metadata.name);
    expect(bindings(both)).toMatchObject({ match: { kinds: [{ kinds: ['Pod', 'Binding'] }] }, parameters: { trustedBinders: BINDERS } });
    expect(settle([eu], both === undefined ? [] : [both], ['other']).map(bindings)).toMatchObject([
      { parameters: { trustedBinders: ['other'] } },
    ]);
    const warned = policyOf('eu', { ...eu.spec, enforcementAction: 'warn' });
    expect(JSON.stringify(settle([warned], [], BINDERS))).not.toContain('Binding"');
  });

  it('waits until Gatekeeper has loaded the template, and then stays', () => {
    const governance = planGovernance([eu], namespaces, NOW);
    const busy = { ...template, metadata: { ...template.metadata, generation: 2 } };
    const planned = (constraints: readonly Constraint[]) =>
      planGatekeeper({ governance, template: busy, constraints: [canaryBody(), ...constraints], gatekeeperServed: true, binders: BINDERS });
    expect(JSON.stringify(planned([]))).not.toContain('trustedBinders');
    expect(planned(settle([eu], []))).toEqual([]);
    expect(planned(settle([eu], [], BINDERS))).toEqual([]);
  });

  it('is restored when another writer removes it', () => {
    const [constraint] = settle([eu], [], BINDERS);
    if (constraint === undefined) return expect.fail('no constraint');
    const { binders: _, ...group } = groupOf(constraint);
    const { spec } = constraintBody(group, [{ name: eu.key, pattern: 'finance' }]);
    const [action] = plan([eu], [{ ...constraint, ...(spec && { spec }) }], BINDERS);
    expect(action).toMatchObject({ type: 'apply', reason: 'Drift' });
    expect(JSON.stringify(action)).toContain('trustedBinders');
  });
});
