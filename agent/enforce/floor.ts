import { FLOOR_LABEL_VALUE, type FloorAction, floorLabel, type KubeObject, LABELS } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  type ValidatingAdmissionPolicy,
  type ValidatingAdmissionPolicyBinding,
} from '@fso/shared/kube';
import { planAdmissionObjects } from './admission-policies.ts';
import { weakMemo } from './compare.ts';
import {
  AUDIT_VALUE,
  BINDING_FIX,
  bindingVariables,
  type CelVariable,
  message,
  namespaceVariables,
  podVariables,
  SELECTOR_FIX,
  workloadVariables,
} from './floor-cel.ts';
import type { Action } from './types.ts';

export interface FloorOptions {
  /**
   * Whether to gate `pods/binding`. It needs an API server that copies the node's region to the Binding, on by default
   * since Kubernetes 1.35; on an older one the gate would let no governed pod be scheduled. Default true.
   */
  readonly bindGate?: boolean;
}

interface Concern {
  readonly name: string;
  readonly action: FloorAction;
  readonly rules: readonly Rule[];
  readonly variables: readonly CelVariable[];
  readonly fix: string;
  readonly validationActions: readonly string[];
  /** Said where the message with all facts cannot be made, e.g. is longer than 5 KiB. */
  readonly fallback: string;
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly operations: readonly string[];
}

const VALIDATION_ACTIONS: Readonly<Record<FloorAction, readonly string[]>> = {
  deny: ['Deny', 'Audit'],
  warn: ['Warn', 'Audit'],
  dryrun: ['Audit'],
};

const FLOOR_PREFIX = 'fso-floor-';

/** Whether a policy or binding is named as one of the floor's. */
export const isFloorName = (name: string): boolean => name.startsWith(FLOOR_PREFIX);

const podConcern = (action: FloorAction): Concern => ({
  name: `${FLOOR_PREFIX}pods-${action}`,
  action,
  rules: [{ apiGroups: [''], resources: ['pods'], operations: ['CREATE', 'UPDATE'] }],
  variables: podVariables,
  fix: SELECTOR_FIX,
  validationActions: VALIDATION_ACTIONS[action],
  fallback: 'the pod may run outside of the regions that the policies of its namespace allow',
});

/** Always a warning: a mutating webhook may still mend the pods, and the pod is what counts. */
const workloadConcern = (action: FloorAction): Concern => ({
  name: `${FLOOR_PREFIX}workloads-${action}`,
  action,
  rules: [
    { apiGroups: ['apps'], resources: ['deployments', 'replicasets', 'statefulsets', 'daemonsets'], operations: ['CREATE', 'UPDATE'] },
    { apiGroups: ['batch'], resources: ['jobs', 'cronjobs'], operations: ['CREATE', 'UPDATE'] },
    { apiGroups: [''], resources: ['replicationcontrollers'], operations: ['CREATE', 'UPDATE'] },
  ],
  variables: workloadVariables,
  fix: SELECTOR_FIX,
  validationActions: ['Warn', 'Audit'],
  fallback: 'the pods of this workload may run outside of the regions that the policies of its namespace allow',
});

const BIND_GATE: Concern = {
  name: `${FLOOR_PREFIX}bindings-deny`,
  action: 'deny',
  rules: [{ apiGroups: [''], resources: ['pods/binding', 'bindings'], operations: ['CREATE'] }],
  variables: bindingVariables,
  fix: BINDING_FIX,
  validationActions: VALIDATION_ACTIONS.deny,
  fallback: 'the node is outside of the regions that the policies of the namespace allow',
};

const ADMISSION: readonly Concern[] = [
  podConcern('deny'),
  podConcern('warn'),
  podConcern('dryrun'),
  workloadConcern('deny'),
  workloadConcern('warn'),
];

const concerns = ({ bindGate = true }: FloorOptions): readonly Concern[] => [...ADMISSION, ...(bindGate ? [BIND_GATE] : [])];

/** Every field that could open the policy is written, with its default where nothing else is meant, so that a change to it shows. */
const policyOf = weakMemo(
  (concern: Concern): ValidatingAdmissionPolicy => ({
    apiVersion: ADMISSION_POLICY_KIND.apiVersion,
    kind: ADMISSION_POLICY_KIND.kind,
    metadata: { name: concern.name, labels: { [LABELS.component]: 'floor' } },
    spec: {
      failurePolicy: 'Fail',
      matchConstraints: {
        matchPolicy: 'Equivalent',
        namespaceSelector: {},
        objectSelector: {},
        resourceRules: concern.rules.map((rule) => ({ ...rule, apiVersions: ['*'], scope: 'Namespaced' })),
        excludeResourceRules: [],
      },
      variables: [...namespaceVariables(concern.action), ...concern.variables],
      validations: [
        {
          expression: "variables.violation == ''",
          message: concern.fallback,
          messageExpression: message(concern.fix),
          reason: 'Forbidden',
        },
      ],
      auditAnnotations: [{ key: 'policies', valueExpression: AUDIT_VALUE }],
    },
  }),
);

const bindingOf = weakMemo(
  (concern: Concern): ValidatingAdmissionPolicyBinding => ({
    apiVersion: ADMISSION_POLICY_BINDING_KIND.apiVersion,
    kind: ADMISSION_POLICY_BINDING_KIND.kind,
    metadata: { name: concern.name, labels: { [LABELS.component]: 'floor' } },
    spec: {
      policyName: concern.name,
      validationActions: concern.validationActions,
      matchResources: {
        matchPolicy: 'Equivalent',
        namespaceSelector: { matchLabels: { [floorLabel(concern.action)]: FLOOR_LABEL_VALUE } },
        objectSelector: {},
        resourceRules: [],
        excludeResourceRules: [],
      },
    },
  }),
);

/**
 * Lock 1: a constant number of ValidatingAdmissionPolicies, each with one binding of its name. What governs a namespace
 * is read from the namespace: a label selects it, an annotation holds the regions. Policies come before bindings.
 */
export const desiredFloor = (options: FloorOptions = {}): KubeObject[] => {
  const all = concerns(options);
  return [...all.map(policyOf), ...all.map(bindingOf)];
};

/**
 * What the floor needs to be as it should.
 *
 * @param policies every ValidatingAdmissionPolicy of the cluster, or those labelled as this system's
 * @param bindings likewise
 */
export const planFloor = (
  policies: readonly ValidatingAdmissionPolicy[],
  bindings: readonly ValidatingAdmissionPolicyBinding[],
  options: FloorOptions = {},
): Action[] => {
  const all = concerns(options);
  return planAdmissionObjects({
    policies: { kind: ADMISSION_POLICY_KIND, desired: all.map(policyOf), observed: policies },
    bindings: { kind: ADMISSION_POLICY_BINDING_KIND, desired: all.map(bindingOf), observed: bindings },
    isOurs: isFloorName,
  });
};
