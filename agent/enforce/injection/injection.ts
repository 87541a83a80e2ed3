import { INJECTION_LABEL, INJECTION_LABEL_VALUE, LABELS, REGION_LABEL } from '@fso/shared/api';
import type { KindDescriptor } from '@fso/shared/kube';
import { MAX_REGION_VALUES } from '@fso/shared/residency';
import { type AdmissionObject, planAdmissionObjects } from '../admission-policies.ts';
import { type CelVariable, INJECTED_LIST, podVariables } from '../floor/floor-cel.ts';
import type { Action } from '../types.ts';

/**
 * Placement injection in CEL: the JSON patches for a pod that does not confine its region. Each
 * patch adds one requirement, or the path to it. None changes an existing requirement, so a list is
 * never replaced.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
 */

const KEY = `'${REGION_LABEL}'`;
const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const TERMS_PATH = `/spec/affinity/nodeAffinity/${REQUIRED}/nodeSelectorTerms`;

/**
 * Whether the pod stays unchanged: it names its node (as mirror pods do), belongs to a DaemonSet
 * (the bind gate judges it), has the region in its nodeSelector, or would become too large to be
 * judged. Applies to all pods if no region is allowed.
 */
const LEFT_ALONE = `variables.listed == '' || variables.nodeName != '' || variables.selected.size() > 0 || variables.daemonSetPod ||
  variables.soMany || variables.terms.size() * (variables.listed.split(',').size() + 1) > ${MAX_REGION_VALUES}`;

const injectionVariables: readonly CelVariable[] = [
  { name: 'listed', expression: INJECTED_LIST },
  ...podVariables.filter(({ name }) => ['pod', 'affinityMoved', 'nodeName', 'selected', 'terms', 'soMany', 'daemonSetPod'].includes(name)),
  { name: 'requirement', expression: `{'key': dyn(${KEY}), 'operator': dyn('In'), 'values': dyn(variables.listed.split(','))}` },
  { name: 'required', expression: `{'nodeSelectorTerms': [{'matchExpressions': [variables.requirement]}]}` },
  { name: 'leftAlone', expression: LEFT_ALONE },
];

const add = (path: string, what: string): string => `[JSONPatch{op: 'add', path: '${path}', value: ${what}}]`;

const EACH_TERM = `variables.terms.transformList(i, t,
  t.?matchExpressions.orValue([]).size() + t.?matchFields.orValue([]).size() > 0 && !t.?matchExpressions.orValue([]).exists(e, e.key == ${KEY}),
  t.?matchExpressions.orValue([]).size() > 0 ?
    JSONPatch{op: 'add', path: '${TERMS_PATH}/' + string(i) + '/matchExpressions/-', value: variables.requirement} :
    JSONPatch{op: 'add', path: '${TERMS_PATH}/' + string(i) + '/matchExpressions', value: [variables.requirement]}
)`;

/**
 * Adds the requirement to each non-empty term, because terms are alternatives. A pod without terms
 * gets one.
 */
const INJECTION = `variables.leftAlone ? [] :
  !has(object.spec.affinity) ? ${add('/spec/affinity', `{'nodeAffinity': {'${REQUIRED}': variables.required}}`)} :
  !has(object.spec.affinity.nodeAffinity) ? ${add('/spec/affinity/nodeAffinity', `{'${REQUIRED}': variables.required}`)} :
  !has(object.spec.affinity.nodeAffinity.${REQUIRED}) ? ${add(`/spec/affinity/nodeAffinity/${REQUIRED}`, 'variables.required')} :
  ${EACH_TERM}`;

/** Name of the MutatingAdmissionPolicy that injects placements, and of its binding. */
export const INJECTION_NAME = 'fso-placement-injection';

/** Kinds of mutating admission policies, in the version that the API server serves. */
export interface InjectionKinds {
  readonly policy: KindDescriptor<AdmissionObject>;
  readonly binding: KindDescriptor<AdmissionObject>;
}

/**
 * Kinds of mutating admission policies in a version of the API: `v1` since Kubernetes 1.36;
 * `v1beta1` since 1.34, if an administrator enabled it.
 */
export const injectionKinds = (version: 'v1' | 'v1beta1'): InjectionKinds => {
  const apiVersion = `admissionregistration.k8s.io/${version}`;
  return {
    policy: { apiVersion, kind: 'MutatingAdmissionPolicy', plural: 'mutatingadmissionpolicies', namespaced: false },
    binding: { apiVersion, kind: 'MutatingAdmissionPolicyBinding', plural: 'mutatingadmissionpolicybindings', namespaced: false },
  };
};

/** Writes every field that could change the mutation, so that a change to it shows. */
const policyOf = ({ apiVersion, kind }: KindDescriptor): AdmissionObject => ({
  apiVersion,
  kind,
  metadata: { name: INJECTION_NAME, labels: { [LABELS.component]: 'injection' } },
  spec: {
    // Without the injection the pod only lacks the placement, and the locks still judge it.
    failurePolicy: 'Ignore',
    // Runs again after a webhook that adds a term. Terms that already name the region stay
    // unchanged.
    reinvocationPolicy: 'IfNeeded',
    matchConstraints: {
      matchPolicy: 'Equivalent',
      namespaceSelector: {},
      objectSelector: {},
      // Never UPDATE: affinity is immutable, so a mutation would fail every update of an older pod.
      resourceRules: [{ apiGroups: [''], apiVersions: ['*'], resources: ['pods'], operations: ['CREATE'], scope: 'Namespaced' }],
      excludeResourceRules: [],
    },
    variables: injectionVariables,
    mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: INJECTION } }],
  },
});

const bindingOf = ({ apiVersion, kind }: KindDescriptor): AdmissionObject => ({
  apiVersion,
  kind,
  metadata: { name: INJECTION_NAME, labels: { [LABELS.component]: 'injection' } },
  spec: {
    policyName: INJECTION_NAME,
    matchResources: {
      matchPolicy: 'Equivalent',
      namespaceSelector: { matchLabels: { [INJECTION_LABEL]: INJECTION_LABEL_VALUE } },
      objectSelector: {},
      resourceRules: [],
      excludeResourceRules: [],
    },
  },
});

/**
 * Plans one MutatingAdmissionPolicy and its binding, which a namespace label switches on. They are
 * created when the first policy asks for injection, because an unused mutation is one more thing
 * that could break a pod. They stay from then on: tenants, who decide this for their own policies,
 * must not create and delete cluster objects.
 *
 * @param observed objects of both kinds that belong to this system
 * @param isAskedFor whether a policy asks for injection now
 */
export const planInjection = (
  kinds: InjectionKinds,
  observed: { readonly policies: readonly AdmissionObject[]; readonly bindings: readonly AdmissionObject[] },
  isAskedFor: boolean,
): Action[] => {
  const isOurs = (name: string): boolean => name === INJECTION_NAME;
  const isThere = [...observed.policies, ...observed.bindings].some(({ metadata }) => isOurs(metadata.name));
  if (!isAskedFor && !isThere) return [];
  return planAdmissionObjects({
    policies: { kind: kinds.policy, desired: [policyOf(kinds.policy)], observed: observed.policies },
    bindings: { kind: kinds.binding, desired: [bindingOf(kinds.binding)], observed: observed.bindings },
    isOurs,
  });
};
