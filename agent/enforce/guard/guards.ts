import {
  AGENT_EVENTS,
  AGENT_IDENTITY,
  AGENT_LEASE,
  AGENT_REGIONS,
  AGENT_SHAPES,
  AGENT_STATE,
  AGENT_TRUST,
  AGENT_VIOLATIONS,
  API_GROUP,
  CANARY_NAMESPACE,
  ENROLMENT_SECRET,
  SYSTEM_NAMESPACE,
} from '@fso/shared/api';
import { GEO_RESIDENCY_KIND } from '@fso/shared/kube';
import { weakMemo } from '@fso/shared/runtime';
import type { Trust } from '../types.ts';
import {
  IS_CLEANER,
  IS_EVIDENCE,
  IS_OUR_API,
  IS_OURS_OF_GATEKEEPER,
  IS_STATUS,
  isGatekeeperMetadata,
  isNamed,
  isNotGatekeeper,
  KEEPS_API,
  KEEPS_FINALIZER,
  KEEPS_HUB_POLICY,
  KEEPS_OUR_KEYS,
  KEEPS_SYSTEM_NAMESPACE,
  KEEPS_TO_ITS_NAMESPACE,
  KEEPS_UNINSTALL_REQUEST,
  keepsDefinition,
  keepsGatekeeperNamespace,
  MOVES_NODE,
  mayMoveNode,
  mayWriteSettings,
  namespaceVariables,
  REQUESTS_UNINSTALL,
} from './guard-cel.ts';
import { type GuardProbe, probes } from './guard-probes.ts';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly operations: readonly ('CREATE' | 'UPDATE' | 'DELETE')[];
}

/**
 * Guard: the requests that it refuses to everyone except the agent, or except trusted identities.
 */
export interface Guard {
  readonly name: string;
  readonly rules: readonly Rule[];
  /** CEL condition that selects requests of the agent to be judged too; absent: none. */
  readonly judgesAgent?: string;
  /**
   * Absent if the agent has no right to anything that this guard refuses, so that no dry run
   * reaches it.
   */
  readonly probe?: GuardProbe;
  /** Match conditions in addition to "not the agent", by name, in evaluation order. */
  readonly conditions?: Readonly<Record<string, string>>;
  readonly variables?: readonly { readonly name: string; readonly expression: string }[];
  readonly validations: readonly { readonly expression: string; readonly message: string }[];
  readonly namespace?: string;
}

/** Name prefix of the guard's admission policies and bindings. */
export const GUARD_PREFIX = 'fso-guard-';
/** Whether an admission policy or binding is one of the guard. */
export const isGuardName = (name: string): boolean => name.startsWith(GUARD_PREFIX);

const CHANGES = ['CREATE', 'UPDATE'] as const;
const EVERYTHING = ['CREATE', 'UPDATE', 'DELETE'] as const;
const CONSTRAINTS = GEO_RESIDENCY_KIND.plural;
const CONSTRAINT_GROUP = 'constraints.gatekeeper.sh';
const TEMPLATE_GROUP = 'templates.gatekeeper.sh';
const CONSTRAINT_DEFINITION = `${CONSTRAINTS}.${CONSTRAINT_GROUP}`;
const FLOOR_PARAMETERS = 'floorparameters';
const OUR_DEFINITIONS = [`sovereignpolicies.${API_GROUP}`, `${FLOOR_PARAMETERS}.${API_GROUP}`, CONSTRAINT_DEFINITION];

/** Hint at the end of refusals: the supported way to remove enforcement. */
const UNINSTALL = 'to remove enforcement from this cluster, run "fso-agent uninstall" (docs/operate/upgrade.md)';

const IS_API = 'request.resource.resource == "apiservices"';

const namespaces = (trust: Trust): Guard => ({
  name: `${GUARD_PREFIX}namespaces`,
  rules: [
    { apiGroups: [''], resources: ['namespaces', 'namespaces/status', 'namespaces/finalize'], operations: CHANGES },
    { apiGroups: [''], resources: ['namespaces'], operations: ['DELETE'] },
  ],
  judgesAgent: REQUESTS_UNINSTALL,
  probe: probes.namespaces,
  variables: namespaceVariables,
  validations: [
    {
      expression: KEEPS_OUR_KEYS,
      message:
        'only the agent writes compliance.gov/* labels and annotations of a namespace; change the SovereignPolicy instead, and leave these keys out of your manifests',
    },
    {
      expression: KEEPS_SYSTEM_NAMESPACE,
      message: `namespaces ${SYSTEM_NAMESPACE} and ${CANARY_NAMESPACE} hold the objects that enforce and prove the policies of this cluster; ${UNINSTALL}`,
    },
    {
      expression: KEEPS_UNINSTALL_REQUEST,
      message: `only users who may delete ValidatingAdmissionPolicies ask for the removal of enforcement, on namespace ${SYSTEM_NAMESPACE} and in their own name; ${UNINSTALL}`,
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
  probe: probes.policies,
  validations: [
    {
      expression: `!(${IS_STATUS})`,
      message: 'only the agent writes the status of a SovereignPolicy, which reports what it has proven',
    },
    {
      expression: KEEPS_HUB_POLICY,
      message:
        'a SovereignPolicy with the label compliance.gov/managed-by: hub comes from Git, and only the agent writes it; commit the change to the policy repository instead',
    },
    {
      expression: KEEPS_TO_ITS_NAMESPACE,
      message:
        'only users with rights on SovereignPolicies in all namespaces (ClusterRoleBinding) may write one that governs another namespace than its own; with rights in one namespace, set spec.targetNamespace to that namespace',
    },
    {
      expression: KEEPS_FINALIZER,
      message:
        'only the agent removes the finalizer compliance.gov/release, once nothing enforces the policy any more; keep it in your manifest, delete the policy and wait',
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
  probe: probes.locks,
  conditions: { ours: IS_OURS_OF_GATEKEEPER },
  validations: [
    {
      expression: isGatekeeperMetadata(trust),
      message:
        'only the agent writes floor parameters, the template k8sgeoresidency and its constraints, which follow from the SovereignPolicies; change the SovereignPolicy instead',
    },
  ],
});

/** Guard of Gatekeeper's own reports, which the agent accepts as proof of lock 2. */
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
      message: `only service accounts of ${trust.gatekeeperNamespace} (FSO_GATEKEEPER_NAMESPACE of the agent) write Gatekeeper's reports on the template k8sgeoresidency and its constraints, which are evidence; restart a Gatekeeper pod to have it write them again`,
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
  probe: probes.definitions,
  conditions: { ours: `${IS_API} ? (${IS_OUR_API}) : ${isNamed(OUR_DEFINITIONS)}` },
  validations: [
    {
      expression: `!(${IS_API}) || ${KEEPS_API}`,
      message:
        'only the API server writes APIServices of the groups that the policies of this cluster rely on; one that points to a service may be deleted, and the API server creates it again',
    },
    {
      expression: `${IS_API} || (${keepsDefinition(CONSTRAINT_DEFINITION, trust)})`,
      message: `only the agent creates, changes and deletes this CustomResourceDefinition (and Gatekeeper that of the constraints); ${UNINSTALL}`,
    },
  ],
});

const STATE_NAMES: readonly string[] = [
  AGENT_LEASE,
  AGENT_STATE,
  AGENT_VIOLATIONS,
  AGENT_EVENTS,
  AGENT_SHAPES,
  AGENT_REGIONS,
  AGENT_IDENTITY,
];
/** Settings of an installation: the signers that the agent trusts, and its enrolment token. */
const SETTING_NAMES: readonly string[] = [AGENT_TRUST, ENROLMENT_SECRET];

/**
 * Guard of the agent's state. A foreign lease or state stops the agent, or makes it trust a commit
 * that it never accepted; a foreign identity or token connects it to another hub; foreign signers
 * set policies.
 */
const STATE: Guard = {
  name: `${GUARD_PREFIX}state`,
  namespace: SYSTEM_NAMESPACE,
  rules: [
    { apiGroups: [''], resources: ['configmaps', 'secrets'], operations: EVERYTHING },
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], operations: EVERYTHING },
  ],
  probe: probes.state,
  conditions: { ours: isNamed([...STATE_NAMES, ...SETTING_NAMES]) },
  validations: [
    {
      expression: mayWriteSettings(SETTING_NAMES),
      message: `only the agent writes ${STATE_NAMES.join(', ')} in ${SYSTEM_NAMESPACE}, and only those who may create ValidatingWebhookConfigurations write ${SETTING_NAMES.join(' and ')}, its signers and its hub`,
    },
  ],
};

const nodes = (trust: Trust): Guard => ({
  name: `${GUARD_PREFIX}nodes`,
  rules: [{ apiGroups: [''], resources: ['nodes', 'nodes/status'], operations: CHANGES }],
  conditions: { moves: MOVES_NODE },
  validations: [
    {
      expression: mayMoveNode(trust),
      message:
        'only trusted identities set the region of a node (topology.kubernetes.io/region, failure-domain.beta.kubernetes.io/region), its zone (topology.kubernetes.io/zone, failure-domain.beta.kubernetes.io/zone) and its spec.providerID, and a kubelet when it registers its own node; a cluster administrator can add a user to FSO_TRUSTED_NODE_LABELERS of the agent',
    },
  ],
});

/** Guards in the order in which they are written. */
export const guards = weakMemo((trust: Trust): readonly Guard[] => [
  namespaces(trust),
  POLICIES,
  locks(trust),
  evidence(trust),
  definitions(trust),
  STATE,
  nodes(trust),
]);

/** Dry runs that prove guards, by the name of the guard. */
export const guardProbes = weakMemo(
  (trust: Trust): ReadonlyMap<string, GuardProbe> =>
    new Map(guards(trust).flatMap(({ name, probe }) => (probe === undefined ? [] : [[name, probe] as const]))),
);
