import {
  FLOOR_LABEL_VALUE,
  type FloorAction,
  floorLabel,
  type KubeObject,
  LABELS,
  NAMESPACES_PARAMETERS,
  NODES_PARAMETERS,
} from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  FLOOR_PARAMETERS_KIND,
  type ValidatingAdmissionPolicy,
  type ValidatingAdmissionPolicyBinding,
} from '@fso/shared/kube';
import { weakMemo } from '@fso/shared/runtime';
import { type MatchCondition, planAdmissionObjects } from '../admission-policies.ts';
import type { Action } from '../types.ts';
import { BINDING_FIX, type BindGateMode, bindingVariables } from './binding-cel.ts';
import {
  type CelVariable,
  message,
  namespaceVariables,
  plainlyInside,
  podVariables,
  SELECTOR_FIX,
  WORKLOAD_FIX,
  workloadVariables,
} from './floor-cel.ts';
import { indexConditions, indexed, indexMessage, indexVariables, podIndexConditions } from './index-cel.ts';

/** Facts of the API server and the repository that the floor depends on. */
export interface FloorOptions {
  /** Source from which the bind gate gets the region of a node. Default `label`. */
  readonly bindGate?: BindGateMode;
  /** Users who may bind pods in governed namespaces. The same array as long as it is unchanged. */
  readonly binders?: readonly string[];
  /**
   * Whether the API server can inject placements: workloads whose pods get one cause no warning.
   * Default false.
   */
  readonly injection?: boolean;
}

/** Requests that one policy of the floor judges, and the texts of its responses. */
interface Concern {
  readonly name: string;
  readonly scope: Scope;
  readonly rules: readonly Rule[];
  /** The last one is `violation`. */
  readonly variables: readonly CelVariable[];
  /** CEL expression that is true if the request is allowed. Default: there is no `violation`. */
  readonly allowed?: string;
  /** CEL expression. */
  readonly message: string;
  /** Text for requests whose full message cannot be built, e.g. because it is longer than 5 KiB. */
  readonly fallback: string;
  readonly validationActions: readonly string[];
  /** FloorParameters that the policy reads, and the decision while they do not exist. */
  readonly parameters?: { readonly name: string; readonly missing: 'Allow' | 'Deny' };
}

/** Namespaces of a concern, and where their rules come from. */
interface Scope {
  readonly selector: object;
  readonly conditions?: readonly MatchCondition[];
  readonly variables: readonly CelVariable[];
  readonly failurePolicy: 'Fail' | 'Ignore';
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

/** CEL expression. */
const ALLOWED = "variables.violation == ''";

const FLOOR_PREFIX = 'fso-floor-';

/** Whether a policy or binding has a name of the floor. */
export const isFloorName = (name: string): boolean => name.startsWith(FLOOR_PREFIX);

/** Selects labelled namespaces, judged by their own annotations. */
const byLabel = (action: FloorAction): Scope => ({
  selector: { matchLabels: { [floorLabel(action)]: FLOOR_LABEL_VALUE } },
  variables: namespaceVariables(action),
  failurePolicy: 'Fail',
});

/**
 * Selects namespaces of the index. The failure policy is `Ignore`: otherwise every matching request
 * in every namespace would fail while the parameters' kind is not served.
 */
const byIndex = (conditions: readonly MatchCondition[]): Scope => ({
  selector: {},
  conditions,
  variables: indexVariables,
  failurePolicy: 'Ignore',
});

const podConcern = (action: FloorAction): Concern => ({
  name: `${FLOOR_PREFIX}pods-${action}`,
  scope: byLabel(action),
  rules: [{ apiGroups: [''], resources: ['pods'], operations: ['CREATE', 'UPDATE'] }],
  variables: [{ name: 'plain', expression: plainlyInside('variables.listed') }, ...podVariables],
  allowed: `variables.plain || ${ALLOWED}`,
  message: message(SELECTOR_FIX),
  validationActions: VALIDATION_ACTIONS[action],
  fallback: 'the pod may run outside of the regions that the policies of its namespace allow',
});

/** Check of workloads. It only warns, because a mutating webhook may still fix the pods. */
const workloadConcern = (action: FloorAction, injection: boolean): Concern => ({
  name: `${FLOOR_PREFIX}workloads-${action}`,
  scope: byLabel(action),
  rules: [
    { apiGroups: ['apps'], resources: ['deployments', 'replicasets', 'statefulsets', 'daemonsets'], operations: ['CREATE', 'UPDATE'] },
    { apiGroups: ['batch'], resources: ['jobs', 'cronjobs'], operations: ['CREATE', 'UPDATE'] },
    { apiGroups: [''], resources: ['replicationcontrollers'], operations: ['CREATE', 'UPDATE'] },
  ],
  variables: workloadVariables(injection),
  message: message(WORKLOAD_FIX),
  validationActions: ['Warn', 'Audit'],
  fallback: 'the pods of this workload may run outside of the regions that the policies of its namespace allow',
});

const bindGateConcern = (mode: BindGateMode, binders: readonly string[]): Concern => ({
  name: `${FLOOR_PREFIX}bindings-deny`,
  scope: byLabel('deny'),
  rules: [{ apiGroups: [''], resources: ['pods/binding', 'bindings'], operations: ['CREATE'] }],
  variables: bindingVariables(mode, binders),
  message: message(BINDING_FIX),
  validationActions: VALIDATION_ACTIONS.deny,
  fallback: 'the node is outside of the regions that the policies of the namespace allow',
  parameters: { name: NODES_PARAMETERS, missing: 'Deny' },
});

/** Variant of a concern for namespaces whose own labels are not current; see index-cel.ts. */
const indexConcern = (concern: Concern, change: Pick<Concern, 'name' | 'scope' | 'variables'>): Concern => ({
  ...concern,
  ...change,
  allowed: ALLOWED,
  message: indexMessage(concern.message),
  // Allows if the object is missing: a denial would stop every pod of the cluster.
  parameters: { name: NAMESPACES_PARAMETERS, missing: 'Allow' },
});

const indexConcerns = (bindGate: Concern): readonly Concern[] => [
  indexConcern(podConcern('deny'), {
    name: `${FLOOR_PREFIX}index-pods-deny`,
    scope: byIndex(podIndexConditions),
    variables: indexed(podVariables, "variables.judged && !(variables.nodeName != '' && variables.mirrorPod)"),
  }),
  indexConcern(bindGate, {
    name: `${FLOOR_PREFIX}index-bindings-deny`,
    scope: byIndex(indexConditions),
    variables: indexed(bindGate.variables, 'true'),
  }),
];

const bindGates = (mode: BindGateMode): ((binders: readonly string[]) => readonly Concern[]) =>
  weakMemo((binders: readonly string[]) => {
    const gate = bindGateConcern(mode, binders);
    return [gate, ...indexConcerns(gate)];
  });

const BIND_GATES = { label: bindGates('label'), list: bindGates('list') } as const;
const NO_BINDERS: readonly string[] = [];

const ADMISSION: readonly Concern[] = [podConcern('deny'), podConcern('warn'), podConcern('dryrun')];

const workloadConcerns = (injection: boolean): readonly Concern[] => [
  workloadConcern('deny', injection),
  workloadConcern('warn', injection),
];
const WORKLOADS = workloadConcerns(false);
const INJECTED_WORKLOADS = workloadConcerns(true);

const concerns = ({ bindGate = 'label', binders = NO_BINDERS, injection = false }: FloorOptions): readonly Concern[] => [
  ...ADMISSION,
  ...(injection ? INJECTED_WORKLOADS : WORKLOADS),
  ...BIND_GATES[bindGate](binders),
];

/**
 * Builds the responses of a concern. The API server evaluates messages and audit annotations for
 * every request, so they are empty for an allowed one.
 */
const responsesOf = ({ allowed = ALLOWED, message: text, fallback }: Concern): object => {
  const unlessAllowed = (expression: string): string => `${allowed} ? '' : (${expression})`;
  return {
    validations: [{ expression: allowed, message: fallback, messageExpression: unlessAllowed(text), reason: 'Forbidden' }],
    // The violated policies and their Git commits, in the same order. The API server omits an empty
    // value.
    auditAnnotations: ['policies', 'revisions'].map((key) => ({ key, valueExpression: unlessAllowed(`variables.${key}`) })),
  };
};

/**
 * Writes every field that could open the policy, even a default, so that a change shows as drift.
 */
const policyOf = weakMemo(
  (concern: Concern): ValidatingAdmissionPolicy => ({
    apiVersion: ADMISSION_POLICY_KIND.apiVersion,
    kind: ADMISSION_POLICY_KIND.kind,
    metadata: { name: concern.name, labels: { [LABELS.component]: 'floor' } },
    spec: {
      failurePolicy: concern.scope.failurePolicy,
      ...(concern.parameters && { paramKind: { apiVersion: FLOOR_PARAMETERS_KIND.apiVersion, kind: FLOOR_PARAMETERS_KIND.kind } }),
      matchConstraints: {
        matchPolicy: 'Equivalent',
        namespaceSelector: concern.scope.selector,
        objectSelector: {},
        resourceRules: concern.rules.map((rule) => ({ ...rule, apiVersions: ['*'], scope: 'Namespaced' })),
        excludeResourceRules: [],
      },
      ...(concern.scope.conditions && { matchConditions: concern.scope.conditions }),
      variables: [...concern.scope.variables, ...concern.variables],
      ...responsesOf(concern),
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
      ...(concern.parameters && {
        paramRef: { name: concern.parameters.name, parameterNotFoundAction: concern.parameters.missing },
      }),
      matchResources: {
        matchPolicy: 'Equivalent',
        namespaceSelector: concern.scope.selector,
        objectSelector: {},
        resourceRules: [],
        excludeResourceRules: [],
      },
    },
  }),
);

/**
 * Objects of lock 1: a constant number of ValidatingAdmissionPolicies, each with one binding of its
 * name. They read the rules from the namespace: a label selects it, an annotation holds the
 * regions. Policies come before bindings.
 */
export const desiredFloor = (options: FloorOptions = {}): KubeObject[] => {
  const all = concerns(options);
  return [...all.map(policyOf), ...all.map(bindingOf)];
};

/**
 * Plans the writes that make the floor equal to {@link desiredFloor}.
 *
 * @param policies every ValidatingAdmissionPolicy of the cluster, or those labelled as this
 * system's
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

/**
 * Removes bindings that cannot be written yet. Writing one with parameters requires the right to
 * read the kind that its policy names, and while the policy does not exist, the right to read every
 * kind
 * (https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#authorization-checks).
 */
export const inOrder = (actions: readonly Action[], policies: readonly ValidatingAdmissionPolicy[]): readonly Action[] => {
  const present = new Set(policies.map(({ metadata }) => metadata.name));
  return actions.filter((action) => {
    if (action.type !== 'apply' || action.kind.kind !== ADMISSION_POLICY_BINDING_KIND.kind) return true;
    const { spec } = action.body as ValidatingAdmissionPolicyBinding;
    return spec?.['paramRef'] === undefined || present.has(String(spec['policyName']));
  });
};
