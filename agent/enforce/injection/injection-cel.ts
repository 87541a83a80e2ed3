import { REGION_LABEL } from '@fso/shared/api';
import { MAX_REGION_VALUES } from '@fso/shared/residency';
import { type CelVariable, INJECTED_LIST, podVariables } from '../floor/floor-cel.ts';

/**
 * Placement injection in CEL: the JSON patches for a pod that does not confine its region. Each
 * patch adds one requirement, or the path to it, and none changes what the pod requires: a list is
 * never replaced.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
 */

const KEY = `'${REGION_LABEL}'`;
const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const TERMS_PATH = `/spec/affinity/nodeAffinity/${REQUIRED}/nodeSelectorTerms`;

/**
 * Left unchanged: pods that name their node, mirror pods among them, and pods of a DaemonSet, which
 * the bind gate judges; pods whose nodeSelector names the region; pods that would become too large
 * to be judged; and all pods if no region is allowed.
 */
const LEFT_ALONE = `variables.listed == '' || variables.nodeName != '' || variables.selected.size() > 0 || variables.daemonSetPod ||
  variables.soMany || variables.terms.size() * (variables.listed.split(',').size() + 1) > ${MAX_REGION_VALUES}`;

export const injectionVariables: readonly CelVariable[] = [
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
 * A pod with terms gets the requirement in each term that is not empty, because terms are
 * alternatives; one without gets a term.
 */
export const INJECTION = `variables.leftAlone ? [] :
  !has(object.spec.affinity) ? ${add('/spec/affinity', `{'nodeAffinity': {'${REQUIRED}': variables.required}}`)} :
  !has(object.spec.affinity.nodeAffinity) ? ${add('/spec/affinity/nodeAffinity', `{'${REQUIRED}': variables.required}`)} :
  !has(object.spec.affinity.nodeAffinity.${REQUIRED}) ? ${add(`/spec/affinity/nodeAffinity/${REQUIRED}`, 'variables.required')} :
  ${EACH_TERM}`;
