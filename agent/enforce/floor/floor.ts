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
import { type MatchCondition, planAdmissionObjects } from '../admission-policies.ts';
import { weakMemo } from '../compare.ts';
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

export interface FloorOptions {
  /** How the bind gate learns the region of a node. Default `label`. */
  readonly bindGate?: BindGateMode;
  /** User names that may bind pods in governed namespaces. Default none. The same list as long as it is the same array. */
  readonly binders?: readonly string[];
  /** Whether the API server can inject placements: then a workload whose pods will get theirs is not warned of. Default false. */
  readonly injection?: boolean;
}

interface Concern {
  readonly name: string;
  readonly action: FloorAction;
  readonly rules: readonly Rule[];
  readonly variables: readonly CelVariable[];
  readonly fix: string;
  readonly validationActions: readonly string[];
  /** Expression: the request is as it should be. Default: there is no `violation`. */
  readonly right?: string;
  /** Said where the message with all facts cannot be made, e.g. is longer than 5 KiB. */
  readonly fallback: string;
  /** The FloorParameters that it reads, and what happens while they are not there. */
  readonly parameters?: { readonly name: string; readonly missing: 'Allow' | 'Deny' };
  /** Judges every namespace by the index, instead of those that are labelled by what they say: on these conditions. */
  readonly byIndex?: readonly MatchCondition[];
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

/** Expression. */
const RIGHT = "variables.violation == ''";

const FLOOR_PREFIX = 'fso-floor-';

/** Whether a policy or binding is named as one of the floor's. */
export const isFloorName = (name: string): boolean => name.startsWith(FLOOR_PREFIX);

const podConcern = (action: FloorAction): Concern => ({
  name: `${FLOOR_PREFIX}pods-${action}`,
  action,
  rules: [{ apiGroups: [''], resources: ['pods'], operations: ['CREATE', 'UPDATE'] }],
  variables: [{ name: 'plain', expression: plainlyInside('variables.listed') }, ...podVariables],
  fix: SELECTOR_FIX,
  validationActions: VALIDATION_ACTIONS[action],
  right: `variables.plain || ${RIGHT}`,
  fallback: 'the pod may run outside of the regions that the policies of its namespace allow',
});

/** Always a warning: a mutating webhook may still mend the pods, and the pod is what counts. */
const workloadConcern = (action: FloorAction, injection: boolean): Concern => ({
  name: `${FLOOR_PREFIX}workloads-${action}`,
  action,
  rules: [
    { apiGroups: ['apps'], resources: ['deployments', 'replicasets', 'statefulsets', 'daemonsets'], operations: ['CREATE', 'UPDATE'] },
    { apiGroups: ['batch'], resources: ['jobs', 'cronjobs'], operations: ['CREATE', 'UPDATE'] },
    { apiGroups: [''], resources: ['replicationcontrollers'], operations: ['CREATE', 'UPDATE'] },
  ],
  variables: workloadVariables(injection),
  fix: WORKLOAD_FIX,
  validationActions: ['Warn', 'Audit'],
  fallback: 'the pods of this workload may run outside of the regions that the policies of its namespace allow',
});

const bindGateConcern = (mode: BindGateMode, binders: readonly string[]): Concern => ({
  name: `${FLOOR_PREFIX}bindings-deny`,
  action: 'deny',
  rules: [{ apiGroups: [''], resources: ['pods/binding', 'bindings'], operations: ['CREATE'] }],
  variables: bindingVariables(mode, binders),
  fix: BINDING_FIX,
  validationActions: VALIDATION_ACTIONS.deny,
  fallback: 'the node is outside of the regions that the policies of the namespace allow',
  parameters: { name: NODES_PARAMETERS, missing: 'Deny' },
});

/** Without the object nothing is judged by it: to deny would stop every pod of the cluster. */
const INDEX = { parameters: { name: NAMESPACES_PARAMETERS, missing: 'Allow' } } as const;

/** What holds for namespaces that do not say it themselves: see index-cel.ts. */
const indexConcerns = (bindGate: Concern): readonly Concern[] => [
  {
    ...podConcern('deny'),
    ...INDEX,
    name: `${FLOOR_PREFIX}index-pods-deny`,
    byIndex: podIndexConditions,
    right: RIGHT,
    variables: indexed(podVariables, "variables.judged && !(variables.nodeName != '' && variables.mirrorPod)"),
  },
  {
    ...bindGate,
    ...INDEX,
    name: `${FLOOR_PREFIX}index-bindings-deny`,
    byIndex: indexConditions,
    variables: indexed(bindGate.variables, 'true'),
  },
];

const bindGates = (mode: BindGateMode): ((binders: readonly string[]) => readonly Concern[]) =>
  weakMemo((binders: readonly string[]) => {
    const gate = bindGateConcern(mode, binders);
    return [gate, ...indexConcerns(gate)];
  });

const BIND_GATES = { label: bindGates('label'), list: bindGates('list') } as const;
const NOBODY: readonly string[] = [];

const ADMISSION: readonly Concern[] = [podConcern('deny'), podConcern('warn'), podConcern('dryrun')];

const workloadConcerns = (injection: boolean): readonly Concern[] => [
  workloadConcern('deny', injection),
  workloadConcern('warn', injection),
];
const WORKLOADS = workloadConcerns(false);
const INJECTED_WORKLOADS = workloadConcerns(true);

const concerns = ({ bindGate = 'label', binders = NOBODY, injection = false }: FloorOptions): readonly Concern[] => [
  ...ADMISSION,
  ...(injection ? INJECTED_WORKLOADS : WORKLOADS),
  ...BIND_GATES[bindGate](binders),
];

const selectorOf = ({ action, byIndex }: Concern): object =>
  byIndex !== undefined ? {} : { matchLabels: { [floorLabel(action)]: FLOOR_LABEL_VALUE } };

/** The messages and audit annotations of a policy are evaluated for every request: where all is right, at no cost. */
const sayingsOf = ({ right = RIGHT, fallback, fix, byIndex }: Concern): object => {
  const text = byIndex === undefined ? message(fix) : indexMessage(message(fix));
  const unlessRight = (expression: string): string => `${right} ? '' : (${expression})`;
  return {
    validations: [{ expression: right, message: fallback, messageExpression: unlessRight(text), reason: 'Forbidden' }],
    // The policies, for a request that violates them, and their Git commits, in the same order. An empty value is left out.
    auditAnnotations: ['policies', 'revisions'].map((key) => ({ key, valueExpression: unlessRight(`variables.${key}`) })),
  };
};

/** Every field that could open the policy is written, with its default where nothing else is meant, so that a change to it shows. */
const policyOf = weakMemo(
  (concern: Concern): ValidatingAdmissionPolicy => ({
    apiVersion: ADMISSION_POLICY_KIND.apiVersion,
    kind: ADMISSION_POLICY_KIND.kind,
    metadata: { name: concern.name, labels: { [LABELS.component]: 'floor' } },
    spec: {
      // Where the kind of the parameters is not served, everything that the policy matches would be refused: here, in every namespace.
      failurePolicy: concern.byIndex === undefined ? 'Fail' : 'Ignore',
      ...(concern.parameters && { paramKind: { apiVersion: FLOOR_PARAMETERS_KIND.apiVersion, kind: FLOOR_PARAMETERS_KIND.kind } }),
      matchConstraints: {
        matchPolicy: 'Equivalent',
        namespaceSelector: selectorOf(concern),
        objectSelector: {},
        resourceRules: concern.rules.map((rule) => ({ ...rule, apiVersions: ['*'], scope: 'Namespaced' })),
        excludeResourceRules: [],
      },
      ...(concern.byIndex && { matchConditions: concern.byIndex }),
      variables: [...(concern.byIndex === undefined ? namespaceVariables(concern.action) : indexVariables), ...concern.variables],
      ...sayingsOf(concern),
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
        namespaceSelector: selectorOf(concern),
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

/**
 * Without the bindings that cannot be written yet. To write one that names parameters takes the right to read the kind that
 * its policy names: while the policy is not there, that is a right to everything
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
