import { describe, expect, it } from 'vitest';
import { planGovernance } from '../governance.ts';
import { NOW, policyOf } from '../testing/policies.ts';
import { canaryBody } from './canary.ts';
import { type BindGate, constraintBody, groupOf } from './constraint.ts';
import { planGatekeeper } from './gatekeeper.ts';
import type { Constraint } from './kinds.ts';
import { BINDERS, eu, GATE, namespaces, plan, settle, template } from './testing/plans.ts';

describe('the bind gate of lock 2', () => {
  const bindings = (constraint: Constraint | undefined) =>
    constraint?.spec as { match: { kinds: unknown[] }; parameters: object } | undefined;

  it('is part of constraints that can refuse, under the same name', () => {
    const [pods] = settle([eu], []);
    const [both] = settle([eu], pods === undefined ? [] : [pods], GATE);
    expect(both?.metadata.name).toBe(pods?.metadata.name);
    expect(bindings(both)).toMatchObject({ match: { kinds: [{ kinds: ['Pod', 'Binding'] }] }, parameters: { trustedBinders: BINDERS } });
    expect(settle([eu], both === undefined ? [] : [both], { ...GATE, binders: ['other'] }).map(bindings)).toMatchObject([
      { parameters: { trustedBinders: ['other'] } },
    ]);
    const warned = policyOf('eu', { ...eu.spec, enforcementAction: 'warn' });
    expect(JSON.stringify(settle([warned], [], GATE))).not.toContain('Binding"');
  });

  it('waits until Gatekeeper has loaded the template, and then stays', () => {
    const governance = planGovernance([eu], namespaces, NOW);
    const busy = { ...template, metadata: { ...template.metadata, generation: 2 } };
    const planned = (constraints: readonly Constraint[]) =>
      planGatekeeper({ governance, template: busy, constraints: [canaryBody(), ...constraints], gatekeeperServed: true, bindGate: GATE });
    expect(JSON.stringify(planned([]))).not.toContain('trustedBinders');
    expect(planned(settle([eu], []))).toEqual([]);
    expect(planned(settle([eu], [], GATE))).toEqual([]);
  });

  it('is restored when another writer removes it', () => {
    const [constraint] = settle([eu], [], GATE);
    if (constraint === undefined) return expect.fail('no constraint');
    const { bindGate: _, ...group } = groupOf(constraint);
    const { spec } = constraintBody(group, [{ name: eu.key, pattern: 'finance' }]);
    const [action] = plan([eu], [{ ...constraint, ...(spec && { spec }) }], GATE);
    expect(action).toMatchObject({ type: 'apply', reason: 'Drift' });
    expect(JSON.stringify(action)).toContain('trustedBinders');
  });

  const EXCEPTIONS = { disputedNodes: ['b', 'a'], disputedRegions: ['eu-west-1'], zones: ['eu-central-1-ist-1a'] };

  it('has the exceptions of nodes, and no list that is empty', () => {
    const [plain] = settle([eu], [], GATE);
    expect(new Set(Object.keys(bindings(plain)?.parameters ?? {}))).toEqual(new Set(['policies', 'regions', 'trustedBinders']));
    const [constraint] = settle([eu], plain === undefined ? [] : [plain], { ...GATE, ...EXCEPTIONS });
    expect(bindings(constraint)?.parameters).toMatchObject({ ...EXCEPTIONS, disputedNodes: ['a', 'b'] });
    expect(plan([eu], constraint === undefined ? [] : [constraint], { ...GATE, ...EXCEPTIONS })).toEqual([]);
  });

  it('follows the nodes in writes that are no repair', () => {
    const reasonsOf = (from: BindGate, to: BindGate) =>
      plan([eu], settle([eu], [], from), to).map(({ type, reason }) => `${type} ${reason}`);
    expect(reasonsOf(GATE, { ...GATE, ...EXCEPTIONS })).toEqual(['apply Place']);
    expect(reasonsOf({ ...GATE, ...EXCEPTIONS }, GATE)).toEqual(['patch Place', 'apply Place']);
    // Other binders are other settings of the agent.
    expect(reasonsOf(GATE, { ...GATE, ...EXCEPTIONS, binders: ['other'] })).toEqual(['apply Drift']);
    const [constraint] = settle([eu], [], GATE);
    const weak = { ...constraint, spec: { ...constraint?.spec, enforcementAction: 'dryrun' } } as Constraint;
    expect(plan([eu], [weak], { ...GATE, ...EXCEPTIONS }).map(({ reason }) => reason)).not.toContain('Place');
  });
});
