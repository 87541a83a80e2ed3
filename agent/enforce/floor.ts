import { FIELD_MANAGERS, FLOOR_LABEL_VALUE, type FloorAction, floorLabel, type KubeObject, LABELS } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  type KindDescriptor,
  type ValidatingAdmissionPolicy,
  type ValidatingAdmissionPolicyBinding,
} from '@fso/shared/kube';
import { covers, isPlain, weakMemo, weakMemo2 } from './compare.ts';
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

/** Fields with which an other writer could narrow what is judged; they have no defaults, and apply cannot remove them. */
const OPENINGS: readonly string[] = ['matchConditions', 'paramKind', 'paramRef'];

/** Lists that the API server merges item by item: apply cannot remove what an other writer put there. */
const MERGED_LISTS: readonly string[] = ['variables', 'validationActions'];

/**
 * What the floor needs to be as it should: missing objects are made, changed ones put back. What someone added to
 * an object, and server-side apply cannot take away, is patched away first; the object itself stays, and goes on judging.
 *
 * @param policies every ValidatingAdmissionPolicy of the cluster, or those labelled as the floor's
 * @param bindings likewise
 */
export const planFloor = (
  policies: readonly ValidatingAdmissionPolicy[],
  bindings: readonly ValidatingAdmissionPolicyBinding[],
  options: FloorOptions = {},
): Action[] => {
  const all = concerns(options);
  const names = new Set(all.map((concern) => concern.name));
  const stale = (kind: KindDescriptor, observed: readonly KubeObject[]): Action[] =>
    observed
      .filter(({ metadata }) => metadata.labels?.[LABELS.component] === 'floor' && isFloorName(metadata.name))
      .filter(({ metadata }) => !names.has(metadata.name))
      .map(({ metadata }) => deleteAction(kind, metadata.name, 'Leave'));
  return [
    ...all.flatMap((concern) => planObject(ADMISSION_POLICY_KIND, policyOf(concern), policies)),
    ...all.flatMap((concern) => planObject(ADMISSION_POLICY_BINDING_KIND, bindingOf(concern), bindings)),
    ...stale(ADMISSION_POLICY_BINDING_KIND, bindings),
    ...stale(ADMISSION_POLICY_KIND, policies),
  ];
};

const deleteAction = (kind: KindDescriptor, name: string, reason: string): Action => ({
  type: 'delete',
  key: `${kind.kind}/${name}`,
  kind,
  ref: { name },
  reason,
  policies: [],
});

const planObject = (kind: KindDescriptor, body: ValidatingAdmissionPolicy, observed: readonly ValidatingAdmissionPolicy[]): Action[] => {
  const { name } = body.metadata;
  const present = observed.find((object) => object.metadata.name === name);
  if (present !== undefined && isAsWanted(present, body)) return [];
  const apply: Action = {
    type: 'apply',
    key: `${kind.kind}/${name}`,
    kind,
    body,
    fieldManager: FIELD_MANAGERS.floor,
    reason: present === undefined ? 'Install' : 'Drift',
    policies: [],
  };
  if (present === undefined || !hasAdditions(present, body)) return [apply];
  const patch = { spec: withoutAdditions(present, body) };
  return [{ type: 'patch', key: apply.key, kind, ref: { name }, patch, reason: 'Drift', policies: [] }, apply];
};

const hasAdditions = ({ spec }: ValidatingAdmissionPolicy, body: ValidatingAdmissionPolicy): boolean =>
  OPENINGS.some((field) => isSet(spec?.[field])) || MERGED_LISTS.some((field) => hasForeignItem(spec?.[field], body.spec?.[field]));

/** Lists that differ go along in full: the object must be valid without what is removed, e.g. expressions that read a `paramKind`. */
const withoutAdditions = ({ spec }: ValidatingAdmissionPolicy, body: ValidatingAdmissionPolicy): Readonly<Record<string, unknown>> =>
  Object.fromEntries([
    ...OPENINGS.filter((field) => isSet(spec?.[field])).map((field) => [field, null]),
    ...Object.entries(body.spec ?? {}).filter(([field, value]) => Array.isArray(value) && !covers(spec?.[field], value)),
  ]);

const isAsWanted = weakMemo2(
  (present: ValidatingAdmissionPolicy, body: ValidatingAdmissionPolicy): boolean => !hasAdditions(present, body) && covers(present, body),
);

const isSet = (value: unknown): boolean => !covers(value, []);

const hasForeignItem = (actual: unknown, wanted: unknown): boolean => {
  const known = new Set(itemsOf(wanted).map(identityOf));
  return itemsOf(actual).some((item) => !known.has(identityOf(item)));
};

const itemsOf = (list: unknown): readonly unknown[] => (Array.isArray(list) ? list : []);

const identityOf = (item: unknown): unknown => (isPlain(item) ? item['name'] : item);
