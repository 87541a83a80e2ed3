import { expect } from 'vitest';
import { planGovernance } from '../../governance.ts';
import { NAMESPACES, NOW, namespaceOf, policyOf } from '../../testing/policies.ts';
import { type Action, type Governance, NO_EXCEPTIONS, type PolicyInput } from '../../types.ts';
import { canaryBody } from '../canary.ts';
import type { BindGate } from '../constraint.ts';
import { planGatekeeper } from '../gatekeeper.ts';
import type { Constraint, Template } from '../kinds.ts';
import { desiredTemplate } from '../template.ts';

const desired = desiredTemplate();
/** A template that Gatekeeper has loaded. */
export const template: Template = {
  ...desired,
  metadata: { ...desired.metadata, uid: 't', generation: 1 },
  status: { created: true, byPod: [{ observedGeneration: 1, templateUID: 't' }] },
};
export const BINDERS = ['system:kube-scheduler'];
export const GATE: BindGate = { ...NO_EXCEPTIONS, binders: BINDERS };
export const namespaces = NAMESPACES.map((name) => namespaceOf(name));
export const eu = policyOf('eu', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'] });
export const wider = policyOf('eu', { targetNamespace: 'finance', allowedRegions: ['eu-west-1', 'eu-central-1'] });
export const farther = policyOf('eu', { targetNamespace: 'finance', allowedRegions: ['eu-west-1', 'us-east-1'] });
export const other = policyOf('other', { targetNamespace: 'payments', allowedRegions: ['eu-west-1'] });

/** The actions beside the canary, which exists. */
export const plan = (policies: readonly PolicyInput[], constraints: readonly Constraint[], bindGate?: BindGate) => {
  const present = [canaryBody(), ...constraints];
  const governance = planGovernance(policies, namespaces, NOW, { constraints: present });
  return planGatekeeper({ governance, template, constraints: present, gatekeeperServed: true, bindGate });
};

/** The same for a governance that has a history. */
export const planLockTwo = (governance: Governance, constraints: readonly Constraint[]) =>
  planGatekeeper({ governance, template, constraints: [canaryBody(), ...constraints], gatekeeperServed: true });

export const enforcedAt = (constraint: Constraint): Constraint => ({
  ...constraint,
  status: {
    byPod: [
      {
        id: 'webhook',
        observedGeneration: constraint.metadata.generation ?? 0,
        constraintUID: constraint.metadata.uid ?? '',
        enforced: true,
        operations: ['webhook'],
      },
    ],
  },
});

/** The constraints after the actions; Gatekeeper has not processed the changes yet. */
export const apply = (constraints: readonly Constraint[], actions: readonly Action[]): Constraint[] => {
  const held = new Map(constraints.map((constraint) => [constraint.metadata.name, constraint]));
  for (const action of actions) {
    if (action.type === 'delete') held.delete(action.ref.name);
    else if (action.type === 'apply' && action.kind.kind === 'K8sGeoResidency') {
      const before = held.get(action.body.metadata.name);
      const metadata = { ...action.body.metadata, uid: 'u', generation: (before?.metadata.generation ?? 0) + 1 };
      held.set(metadata.name, { ...action.body, metadata, ...(before?.status === undefined ? {} : { status: before.status }) });
    }
  }
  return [...held.values()];
};

export const settle = (policies: readonly PolicyInput[], start: readonly Constraint[], bindGate?: BindGate): Constraint[] => {
  let constraints = [...start];
  for (let round = 0; round < 10; round += 1) {
    const actions = plan(policies, constraints, bindGate);
    if (actions.length === 0) return constraints;
    constraints = apply(constraints, actions).map(enforcedAt);
  }
  return expect.fail('never settles');
};

const nameOf = (text: string): string => text.split(' ')[0] ?? '';

export const summary = (constraints: readonly Constraint[]) =>
  constraints.map(({ spec }) => [spec?.parameters?.regions?.join(), spec?.parameters?.policies?.map(nameOf).join()]);

export const namesIn = (constraints: readonly Constraint[]): string[] =>
  constraints.flatMap(({ spec }) => spec?.parameters?.policies?.map(nameOf) ?? []);
