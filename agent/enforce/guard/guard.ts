import {
  AGENT_EVENTS,
  AGENT_IDENTITY,
  AGENT_LEASE,
  AGENT_STATE,
  AGENT_VIOLATIONS,
  API_GROUP,
  CANARY_NAMESPACE,
  LABELS,
  SYSTEM_NAMESPACE,
} from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  GEO_RESIDENCY_KIND,
  type ValidatingAdmissionPolicy,
  type ValidatingAdmissionPolicyBinding,
} from '@fso/shared/kube';
import { weakMemo } from '../../compare.ts';
import { type MatchCondition, planAdmissionObjects } from '../admission-policies.ts';
import type { Action, Trust } from '../types.ts';
import {
  IS_CLEANER,
  IS_EVIDENCE,
  IS_OUR_API,
  IS_OURS_OF_GATEKEEPER,
  IS_STATUS,
  isNamed,
  isNotAgent,
  isNoteOfGatekeeper,
  isNotGatekeeper,
  KEEPS_API,
  KEEPS_FINALIZER,
  KEEPS_HUB_POLICY,
  KEEPS_OUR_KEYS,
  KEEPS_SYSTEM_NAMESPACE,
  KEEPS_TO_ITS_NAMESPACE,
  keepsDefinition,
  keepsGatekeeperNamespace,
  MOVES_NODE,
  mayMoveNode,
  namespaceVariables,
} from './guard-cel.ts';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly operations: readonly ('CREATE' | 'UPDATE' | 'DELETE')[];
}

interface Guard {
  readonly name: string;
  readonly rules: readonly Rule[];
  /** What the guard is asked about at all, beside that it was not the agent: by name, in the order in which they are tried. */
  readonly conditions?: Readonly<Record<string, string>>;
  readonly variables?: readonly { readonly name: string; readonly expression: string }[];
  readonly validations: readonly { readonly expression: string; readonly message: string }[];
  readonly namespace?: string;
}

const GUARD_PREFIX = 'fso-guard-';
const isGuardName = (name: string): boolean => name.startsWith(GUARD_PREFIX);

const CHANGES = ['CREATE', 'UPDATE'] as const;
const EVERYTHING = ['CREATE', 'UPDATE', 'DELETE'] as const;
const CONSTRAINTS = GEO_RESIDENCY_KIND.plural;
const CONSTRAINT_GROUP = 'constraints.gatekeeper.sh';
const TEMPLATE_GROUP = 'templates.gatekeeper.sh';
const CONSTRAINT_DEFINITION = `${CONSTRAINTS}.${CONSTRAINT_GROUP}`;
const FLOOR_PARAMETERS = 'floorparameters';
const OUR_DEFINITIONS = [`sovereignpolicies.${API_GROUP}`, `${FLOOR_PARAMETERS}.${API_GROUP}`, CONSTRAINT_DEFINITION];

const IS_API = 'request.resource.resource == "apiservices"';

const namespaces = (trust: Trust): Guard => ({
  name: `${GUARD_PREFIX}namespaces`,
  rules: [
    { apiGroups: [''], resources: ['namespaces', 'namespaces/status', 'namespaces/finalize'], operations: CHANGES },
    { apiGroups: [''], resources: ['namespaces'], operations: ['DELETE'] },
  ],
  variables: namespaceVariables,
  validations: [
    {
      expression: KEEPS_OUR_KEYS,
      message:
        'compliance.gov/* labels and annotations of a namespace are written by the agent only; change the SovereignPolicy instead, and leave these keys out of what you create or apply',
    },
    {
      expression: KEEPS_SYSTEM_NAMESPACE,
      message: `namespaces ${SYSTEM_NAMESPACE} and ${CANARY_NAMESPACE} hold what enforces and proves the policies of this cluster; to uninstall, remove the fso-guard-* bindings first (docs/operate/upgrade-and-remove.md)`,
    },
    {
      expression: keepsGatekeeperNamespace(trust),
      message: `no policy governs namespace ${trust.gatekeeperNamespace}, where Gatekeeper runs (FSO_GATEKEEPER_NAMESPACE of the agent); only those who may create ValidatingWebhookConfigurations may create it`,
    },
  ],
});

const POLICIES: Guard = {
  name: `${GUARD_PREFIX}policies`,
  rules: [
    { apiGroups: [API_GROUP], resources: ['sovereignpolicies'], operations: EVERYTHING },
    { apiGroups: [API_GROUP], resources: ['sovereignpolicies/status'], operations: CHANGES },
  ],
  validations: [
    {
      expression: `!(${IS_STATUS})`,
      message: 'the status of a SovereignPolicy is what the agent has proven, and written by the agent only',
    },
    {
      expression: KEEPS_HUB_POLICY,
      message:
        'a SovereignPolicy with the label compliance.gov/managed-by: hub comes from Git and is written by the agent only; commit the change to the policy repository instead',
    },
    {
      expression: KEEPS_TO_ITS_NAMESPACE,
      message:
        'a SovereignPolicy that governs another namespace than its own is written by those only who may do so in all namespaces (ClusterRoleBinding); with rights in one namespace, set spec.targetNamespace to that namespace',
    },
    {
      expression: KEEPS_FINALIZER,
      message:
        'the finalizer compliance.gov/release is removed by the agent only, once nothing enforces the policy any more; keep it in what you write, delete the policy and wait',
    },
  ],
};

const locks = (trust: Trust): Guard => ({
  name: `${GUARD_PREFIX}locks`,
  rules: [
    { apiGroups: [API_GROUP], resources: [FLOOR_PARAMETERS, `${FLOOR_PARAMETERS}/*`], operations: EVERYTHING },
    { apiGroups: [CONSTRAINT_GROUP], resources: [CONSTRAINTS], operations: EVERYTHING },
    { apiGroups: [TEMPLATE_GROUP], resources: ['constrainttemplates'], operations: EVERYTHING },
  ],
  conditions: { ours: IS_OURS_OF_GATEKEEPER },
  validations: [
    {
      expression: isNoteOfGatekeeper(trust),
      message:
        'floor parameters, the template k8sgeoresidency and its constraints follow from the SovereignPolicies and are written by the agent only; change the SovereignPolicy instead',
    },
  ],
});

/** What Gatekeeper says of itself: the agent takes a lock for proven by it. */
const evidence = (trust: Trust): Guard => ({
  name: `${GUARD_PREFIX}evidence`,
  rules: [
    { apiGroups: [CONSTRAINT_GROUP], resources: [`${CONSTRAINTS}/status`], operations: CHANGES },
    { apiGroups: [TEMPLATE_GROUP], resources: ['constrainttemplates/status'], operations: CHANGES },
    { apiGroups: ['status.gatekeeper.sh'], resources: ['*/*'], operations: EVERYTHING },
  ],
  conditions: { 'not-gatekeeper': isNotGatekeeper(trust), ours: IS_EVIDENCE },
  validations: [
    {
      expression: IS_CLEANER,
      message: `what Gatekeeper reports of the template k8sgeoresidency and its constraints is evidence, and written by the service accounts of ${trust.gatekeeperNamespace} only (FSO_GATEKEEPER_NAMESPACE of the agent); restart a pod of Gatekeeper to have it written anew`,
    },
  ],
});

const definitions = (trust: Trust): Guard => ({
  name: `${GUARD_PREFIX}definitions`,
  rules: [
    { apiGroups: ['apiextensions.k8s.io'], resources: ['customresourcedefinitions'], operations: EVERYTHING },
    { apiGroups: ['apiextensions.k8s.io'], resources: ['customresourcedefinitions/status'], operations: ['UPDATE'] },
    { apiGroups: ['apiregistration.k8s.io'], resources: ['apiservices'], operations: EVERYTHING },
  ],
  conditions: { ours: `${IS_API} ? (${IS_OUR_API}) : ${isNamed(OUR_DEFINITIONS)}` },
  validations: [
    {
      expression: `!(${IS_API}) || ${KEEPS_API}`,
      message:
        'an APIService of the groups that the policies of this cluster are read from is kept by the API server only; one that points to a service may be deleted, the API server makes it again',
    },
    {
      expression: `${IS_API} || (${keepsDefinition(CONSTRAINT_DEFINITION, trust)})`,
      message:
        'this CustomResourceDefinition is made, changed and deleted by the agent only (that of the constraints by Gatekeeper too); to uninstall, remove the fso-guard-* bindings first (docs/operate/upgrade-and-remove.md)',
    },
  ],
});

const STATE_NAMES: readonly string[] = [AGENT_LEASE, AGENT_STATE, AGENT_VIOLATIONS, AGENT_EVENTS, AGENT_IDENTITY];

/** In other hands a lease or a state stops the agent, or makes it believe what was never accepted; an identity makes it listen to another hub. */
const STATE: Guard = {
  name: `${GUARD_PREFIX}state`,
  namespace: SYSTEM_NAMESPACE,
  rules: [
    { apiGroups: [''], resources: ['configmaps', 'secrets'], operations: EVERYTHING },
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], operations: EVERYTHING },
  ],
  conditions: { ours: isNamed(STATE_NAMES) },
  validations: [{ expression: 'false', message: `${STATE_NAMES.join(', ')} in ${SYSTEM_NAMESPACE} are written by the agent only` }],
};

const nodes = (trust: Trust): Guard => ({
  name: `${GUARD_PREFIX}nodes`,
  rules: [{ apiGroups: [''], resources: ['nodes', 'nodes/status'], operations: CHANGES }],
  conditions: { moves: MOVES_NODE },
  validations: [
    {
      expression: mayMoveNode(trust),
      message:
        'the region of a node (topology.kubernetes.io/region, failure-domain.beta.kubernetes.io/region) is set by trusted identities only, and by a kubelet when it registers its own node; whoever runs the cluster adds a user to FSO_TRUSTED_NODE_LABELERS of the agent',
    },
  ],
});

const guards = weakMemo((trust: Trust): readonly Guard[] => [
  namespaces(trust),
  POLICIES,
  locks(trust),
  evidence(trust),
  definitions(trust),
  STATE,
  nodes(trust),
]);

/** Name of the condition by which a guard knows the agent. */
export const NOT_THE_AGENT = 'not-the-agent';

const conditionsOf = (guard: Guard, trust: Trust): readonly MatchCondition[] =>
  // Who may move a node is its own list, and the agent is not on it.
  Object.entries({ ...(guard.name === `${GUARD_PREFIX}nodes` ? {} : { [NOT_THE_AGENT]: isNotAgent(trust) }), ...guard.conditions }).map(
    ([name, expression]) => ({ name, expression }),
  );

/** Every field that could open the guard is written, with its default where nothing else is meant, so that a change to it shows. */
const policyOf = (guard: Guard, trust: Trust): ValidatingAdmissionPolicy => ({
  apiVersion: ADMISSION_POLICY_KIND.apiVersion,
  kind: ADMISSION_POLICY_KIND.kind,
  metadata: { name: guard.name, labels: { [LABELS.component]: 'guard' } },
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: {
      matchPolicy: 'Equivalent',
      namespaceSelector: {},
      objectSelector: {},
      resourceRules: guard.rules.map((rule) => ({ ...rule, apiVersions: ['*'], scope: '*' })),
      excludeResourceRules: [],
    },
    matchConditions: conditionsOf(guard, trust),
    variables: guard.variables ?? [],
    validations: guard.validations.map((validation) => ({ ...validation, reason: 'Forbidden' })),
  },
});

const bindingOf = ({ name, namespace }: Guard): ValidatingAdmissionPolicyBinding => ({
  apiVersion: ADMISSION_POLICY_BINDING_KIND.apiVersion,
  kind: ADMISSION_POLICY_BINDING_KIND.kind,
  metadata: { name, labels: { [LABELS.component]: 'guard' } },
  spec: {
    policyName: name,
    validationActions: ['Deny', 'Audit'],
    matchResources: {
      matchPolicy: 'Equivalent',
      namespaceSelector: namespace === undefined ? {} : { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
      objectSelector: {},
      resourceRules: [],
      excludeResourceRules: [],
    },
  },
});

const desired = weakMemo((trust: Trust) => ({
  policies: guards(trust).map((guard) => policyOf(guard, trust)),
  bindings: guards(trust).map(bindingOf),
}));

/** ValidatingAdmissionPolicies that let only the agent change what the locks stand on; each has one binding of its name. */
export const desiredGuard = (trust: Trust): { policies: ValidatingAdmissionPolicy[]; bindings: ValidatingAdmissionPolicyBinding[] } =>
  desired(trust);

/**
 * Plans the writes after which the guard is as {@link desiredGuard} says.
 *
 * @param policies every ValidatingAdmissionPolicy of the cluster, or those labelled as this system's
 * @param bindings likewise
 */
export const planGuard = (
  policies: readonly ValidatingAdmissionPolicy[],
  bindings: readonly ValidatingAdmissionPolicyBinding[],
  trust: Trust,
): Action[] =>
  planAdmissionObjects({
    policies: { kind: ADMISSION_POLICY_KIND, desired: desired(trust).policies, observed: policies },
    bindings: { kind: ADMISSION_POLICY_BINDING_KIND, desired: desired(trust).bindings, observed: bindings },
    isOurs: isGuardName,
  });
