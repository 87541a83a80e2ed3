import type { KubeObject } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  CONSTRAINT_TEMPLATE_KIND,
  GEO_RESIDENCY_KIND,
  type KindDescriptor,
} from '@fso/shared/kube';
import { weakMemo } from '../enforce/compare.ts';
import {
  type Action,
  type Governance,
  isConstraintEnforced,
  isTemplateReady,
  type PolicyInput,
  planFloor,
  planGatekeeper,
  planGovernance,
  planNamespaces,
  TEMPLATE_NAME,
  type Trust,
} from '../enforce/index.ts';
import type { ClusterView } from '../observe/view.ts';

/** What this API server can have. */
export interface Capabilities {
  readonly kubernetesVersion: string;
  /** ValidatingAdmissionPolicy, stable since Kubernetes 1.30. */
  readonly floor: boolean;
  /** The node's region on a Binding, since Kubernetes 1.35. */
  readonly bindGate: boolean;
}

export const capabilitiesOf = (kubernetesVersion: string): Capabilities => {
  const [, major = '0', minor = '0'] = /^v?(\d+)\.(\d+)/.exec(kubernetesVersion) ?? [];
  const atLeast = (wanted: number): boolean => Number(major) > 1 || Number(minor) >= wanted;
  return { kubernetesVersion, floor: atLeast(30), bindGate: atLeast(35) };
};

/** What the enforcing side knows of its cluster from the start. */
export interface ClusterSettings {
  readonly capabilities: Capabilities;
  readonly trust: Trust;
}

/** Everything that one look at the cluster says has to be done, before anything is done. */
export interface ClusterPlan {
  readonly policies: readonly PolicyInput[];
  readonly governance: Governance;
  readonly floor: readonly Action[];
  readonly namespaces: readonly Action[];
  readonly gatekeeper: readonly Action[];
  /** Namespaces whose labels are not yet what they should be. */
  readonly unapplied: ReadonlySet<string>;
  /** Objects of the floor and of lock 2 that are there, by the key of their actions. */
  readonly present: ReadonlySet<string>;
  /** Constraints by the policy that they enforce. */
  readonly constraintsByPolicy: ReadonlyMap<string, readonly string[]>;
  readonly templateReady: boolean;
  constraintExists(name: string): boolean;
  constraintEnforced(name: string): boolean;
}

/**
 * Pure but for the reading of the view.
 *
 * @param previous the plan of the round before: what it had in place and is gone now was taken away by someone else
 */
export const planCluster = (
  view: ClusterView,
  { capabilities }: ClusterSettings,
  now: Date,
  previous: ClusterPlan | undefined,
): ClusterPlan => {
  const policies = view.policyInputs();
  const namespaces = view.namespaceInputs();
  const governance = planGovernance(policies, namespaces, now, previous?.governance);
  const template = view.templates.get(TEMPLATE_NAME);
  const constraints = view.constraints.list();
  const floorObjects = { policies: view.admissionPolicies.list(), bindings: view.admissionBindings.list() };
  const byName = new Map(constraints.map((constraint) => [constraint.metadata.name, constraint]));
  const enforced = new Set(constraints.filter(isConstraintEnforced).map(({ metadata }) => metadata.name));
  const gatekeeper = planGatekeeper({
    governance,
    template,
    constraints: view.constraints.served && view.constraints.synced ? constraints : undefined,
    gatekeeperServed: view.templates.served,
  });
  // A constraint about to be written is enforced in its old form only.
  for (const action of gatekeeper)
    if (action.key.startsWith('K8sGeoResidency/')) enforced.delete(action.key.slice('K8sGeoResidency/'.length));
  const floor = capabilities.floor ? planFloor(floorObjects.policies, floorObjects.bindings, { bindGate: capabilities.bindGate }) : [];
  const present = new Set([
    ...keysOf(ADMISSION_POLICY_KIND, floorObjects.policies),
    ...keysOf(ADMISSION_POLICY_BINDING_KIND, floorObjects.bindings),
    ...keysOf(CONSTRAINT_TEMPLATE_KIND, template === undefined ? [] : [template]),
    ...keysOf(GEO_RESIDENCY_KIND, constraints),
  ]);
  const labelling = planNamespaces(governance, namespaces, now);
  const wasTaken = (action: Action): boolean =>
    action.type === 'apply' && previous !== undefined && isTaken(action, { previous, governance, present });
  const marked = (actions: readonly Action[]): readonly Action[] =>
    actions.map((action) => (wasTaken(action) ? { ...action, reason: 'Drift' } : action));
  return {
    policies,
    governance,
    floor: marked(floor),
    namespaces: marked(labelling),
    gatekeeper: marked(gatekeeper),
    unapplied: new Set(labelling.map(({ key }) => key.slice('Namespace/'.length))),
    present,
    constraintsByPolicy: constraintsByPolicy(governance),
    templateReady: template !== undefined && isTemplateReady(template),
    constraintExists: (name) => byName.has(name),
    constraintEnforced: (name) => enforced.has(name),
  };
};

const keysOf = ({ kind }: KindDescriptor, objects: readonly KubeObject[]): readonly string[] =>
  objects.map(({ metadata }) => `${kind}/${metadata.name}`);

interface Rounds {
  readonly previous: ClusterPlan;
  readonly governance: Governance;
  readonly present: ReadonlySet<string>;
}

/** Whether somebody removed what the round before saw in place, and what is still wanted. This program removes only what is not. */
const isTaken = ({ key }: Action, { previous, governance, present }: Rounds): boolean => {
  const [kind = '', name = ''] = key.split('/');
  if (kind !== 'Namespace') return previous.present.has(key) && !present.has(key) && (kind !== CONSTRAINT || wants(previous, name));
  const before = previous.governance.namespaces.get(name);
  return before !== undefined && before === governance.namespaces.get(name) && !previous.unapplied.has(name);
};

const CONSTRAINT = GEO_RESIDENCY_KIND.kind;

const wants = ({ governance }: ClusterPlan, constraint: string): boolean => governance.constraints.some(({ name }) => name === constraint);

const constraintsByPolicy = weakMemo(({ constraints }: Governance): ReadonlyMap<string, readonly string[]> => {
  const result = new Map<string, string[]>();
  for (const { name, policies } of constraints) {
    for (const policy of policies) {
      const names = result.get(policy);
      if (names === undefined) result.set(policy, [name]);
      else names.push(name);
    }
  }
  return result;
});
