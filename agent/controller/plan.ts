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

/** Everything that one look at the cluster says has to be done, before anything is done. */
export interface ClusterPlan {
  readonly policies: readonly PolicyInput[];
  readonly governance: Governance;
  readonly floor: readonly Action[];
  readonly namespaces: readonly Action[];
  readonly gatekeeper: readonly Action[];
  /** Constraints by the policy that they enforce. */
  readonly constraintsByPolicy: ReadonlyMap<string, readonly string[]>;
  readonly templateReady: boolean;
  constraintExists(name: string): boolean;
  constraintEnforced(name: string): boolean;
}

/** Pure but for the reading of the view. */
export const planCluster = (view: ClusterView, capabilities: Capabilities, now: Date): ClusterPlan => {
  const policies = view.policyInputs();
  const namespaces = view.namespaceInputs();
  const governance = planGovernance(policies, namespaces, now);
  const template = view.templates.list().find(({ metadata }) => metadata.name === TEMPLATE_NAME);
  const constraints = view.constraints.list();
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
  return {
    policies,
    governance,
    floor: capabilities.floor
      ? planFloor(view.admissionPolicies.list(), view.admissionBindings.list(), { bindGate: capabilities.bindGate })
      : [],
    namespaces: planNamespaces(governance, namespaces, now),
    gatekeeper,
    constraintsByPolicy: constraintsByPolicy(governance),
    templateReady: template !== undefined && isTemplateReady(template),
    constraintExists: (name) => byName.has(name),
    constraintEnforced: (name) => enforced.has(name),
  };
};

const TEMPLATE_NAME = 'k8sgeoresidency';

const constraintsByPolicy = ({ constraints }: Governance): ReadonlyMap<string, readonly string[]> => {
  const result = new Map<string, string[]>();
  for (const { name, policies } of constraints) {
    for (const policy of policies) {
      const names = result.get(policy);
      if (names === undefined) result.set(policy, [name]);
      else names.push(name);
    }
  }
  return result;
};
