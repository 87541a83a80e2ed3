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
/** Users that may bind pods. */
export const BINDERS = ['system:kube-scheduler'];
/** Bind gate without exceptions. */
export const GATE: BindGate = { ...NO_EXCEPTIONS, binders: BINDERS };
/** Namespaces of the cluster, without labels. */
export const namespaces = NAMESPACES.map((name) => namespaceOf(name));
/** Policy that allows one region. */
export const eu = policyOf('eu', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'] });
/** The same policy with a second region in the EU. */
export const wider = policyOf('eu', { targetNamespace: 'finance', allowedRegions: ['eu-west-1', 'eu-central-1'] });
/** The same policy with a second region outside the EU. */
export const farther = policyOf('eu', { targetNamespace: 'finance', allowedRegions: ['eu-west-1', 'us-east-1'] });
/** Policy for another namespace. */
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

/** Returns a constraint with the status of a webhook that enforces it. */
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

/**
 * Plans and applies until nothing is left to do, with Gatekeeper enforcing each change. Returns the
 * constraints.
 */
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

/** Returns the regions and the policy names of each constraint. */
export const summary = (constraints: readonly Constraint[]) =>
  constraints.map(({ spec }) => [spec?.parameters?.regions?.join(), spec?.parameters?.policies?.map(nameOf).join()]);

/** Returns the names of the policies in all constraints. */
export const namesIn = (constraints: readonly Constraint[]): string[] =>
  constraints.flatMap(({ spec }) => spec?.parameters?.policies?.map(nameOf) ?? []);
