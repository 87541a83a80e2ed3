import { expect, it } from 'vitest';
import { type Action, type Constraint, type Governance, planGatekeeper, planGovernance } from '../enforce/index.ts';
import { NOW, namespaceOf, policyOf } from '../enforce/testing/policies.ts';
import { enforcedIn } from './plan-lock-two.ts';

const namespaces = ['finance', 'payments'].map((name) => namespaceOf(name));
const policy = (name: string, allowedRegions: string[]) => policyOf(name, { targetNamespace: name, allowedRegions });

/** Returns a constraint as Gatekeeper leaves it once it enforces it. */
const enforced = (body: Constraint): Constraint => ({
  ...body,
  metadata: { ...body.metadata, uid: 'u', generation: 1 },
  status: { byPod: [{ id: 'webhook', observedGeneration: 1, constraintUID: 'u', enforced: true, operations: ['webhook'] }] },
});

const groupsOf = ({ constraints }: Governance): ReadonlyMap<string, string> => new Map(constraints.map(({ name, group }) => [name, group]));
const planned = (governance: Governance, constraints: readonly Constraint[]): readonly Action[] =>
  planGatekeeper({ governance, template: undefined, constraints, gatekeeperServed: true });

it('counts no constraint as enforced that keeps its former rule for a policy that leaves it', () => {
  const wide = ['eu-west-1', 'us-east-1'];
  const first = planGovernance([policy('finance', wide), policy('payments', wide)], namespaces, NOW);
  const constraints = first.constraints.map(({ body }) => enforced(body as Constraint));
  expect(enforcedIn(constraints, planned(first, constraints), groupsOf(first)).size).toBe(1);
  const narrow = policy('finance', ['eu-west-1']);
  const both = planGovernance([narrow, policy('payments', ['eu-west-1'])], namespaces, NOW, { constraints, previous: first });
  // Before that is written, one of them goes elsewhere.
  const apart = planGovernance([narrow, policy('payments', ['us-east-1'])], namespaces, NOW, { constraints, previous: both });
  const actions = planned(apart, constraints);
  const [held] = constraints;
  expect(actions.map(({ key }) => key)).not.toContain(`K8sGeoResidency/${held?.metadata.name}`);
  expect(apart.constraints.map(({ name }) => name)).toContain(held?.metadata.name);
  expect(enforcedIn(constraints, actions, groupsOf(apart)).size).toBe(0);
});
