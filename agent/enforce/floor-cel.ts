import { type FloorAction, floorPoliciesAnnotation, floorRegionsAnnotation, REGION_LABEL } from '@fso/shared/api';

/**
 * The residency decision in CEL, as variables of a ValidatingAdmissionPolicy. Texts are those of shared/residency, word
 * for word. A variable is evaluated when an expression first reads it, so what an UPDATE does not need costs nothing.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#variable-composition
 */
export interface CelVariable {
  readonly name: string;
  readonly expression: string;
}

const KEY = `'${REGION_LABEL}'`;

const annotation = (key: string): string => `namespaceObject.metadata.?annotations[?'${key}']`;

/**
 * What the namespace says of one action. Without the annotation no region is allowed: a namespace that is selected and
 * does not say where its pods may run must not fall open.
 */
export const namespaceVariables = (action: FloorAction): readonly CelVariable[] => [
  { name: 'listed', expression: `${annotation(floorRegionsAnnotation(action))}.orValue('')` },
  { name: 'regions', expression: "variables.listed == '' ? [] : variables.listed.split(',')" },
  { name: 'policies', expression: `${annotation(floorPoliciesAnnotation(action))}.orValue('(unknown)').replace(',', ', ')` },
];

/** Each term with what it says of the region. */
const REACH = `variables.terms.map(t, {
  'empty': dyn(t.?matchExpressions.orValue([]).size() + t.?matchFields.orValue([]).size() == 0),
  'byName': dyn(t.?matchFields.orValue([]).size() > 0),
  'region': dyn(t.?matchExpressions.orValue([]).filter(e, e.key == ${KEY}))
})`;

/** Regions outside of the allowed ones that a term leaves; only asked where In, DoesNotExist or the nodeSelector cut them. */
const OUTSIDE = `(
  variables.selected.size() > 0 ? variables.selected :
  t.region.exists(e, e.operator == 'In') ? t.region.filter(e, e.operator == 'In')[0].?values.orValue([]) : []
).filter(v, !(v in variables.regions) && t.region.all(e,
  e.operator == 'In' ? v in e.?values.orValue([]) :
  e.operator == 'NotIn' ? !(v in e.?values.orValue([])) :
  e.operator != 'DoesNotExist'
)).map(v, ' allows region "' + v + '"')`;

const ABSENT = `(
  variables.selected.size() == 0 && !t.region.exists(e, e.operator in ['In', 'Exists', 'Gt', 'Lt']) ? [' allows nodes without a region'] : []
)`;

/** For each term the list of what is wrong with it. */
const PROBLEMS = `variables.reach.map(t,
  t.empty ? [] :
  variables.selected.size() == 0 && !t.region.exists(e, e.operator in ['In', 'DoesNotExist']) ?
    [t.byName ? ' selects a node by name, not by region' : ' does not confine the region'] :
  ${OUTSIDE} + ${ABSENT}
)`;

const UNREACHED = `variables.selected.size() == 0 ? 'nothing in the pod confines it to a region' :
  variables.selected[0] in variables.regions ? '' : 'spec.nodeSelector allows region "' + variables.selected[0] + '"'`;

const FIRST_PROBLEM = `(
  variables.selected.size() > 0 ? 'spec.nodeSelector' :
  'required node affinity term ' + string(variables.problems.indexOf(variables.bad[0]) + 1)
) + variables.bad[0][0]`;

/** Reads the variable `pod`, a pod spec; ends in `unconfined`: what is wrong with its constraints, `''` = nothing. */
export const placementVariables: readonly CelVariable[] = [
  {
    name: 'selected',
    expression: `has(variables.pod.nodeSelector) && ${KEY} in variables.pod.nodeSelector ? [variables.pod.nodeSelector[${KEY}]] : []`,
  },
  {
    name: 'terms',
    expression: 'variables.pod.?affinity.?nodeAffinity.?requiredDuringSchedulingIgnoredDuringExecution.?nodeSelectorTerms.orValue([])',
  },
  { name: 'reach', expression: REACH },
  { name: 'problems', expression: PROBLEMS },
  { name: 'bad', expression: 'variables.problems.filter(p, p.size() > 0)' },
  {
    name: 'unconfined',
    expression: `variables.terms.size() == 0 ? (${UNREACHED}) : variables.bad.size() == 0 ? '' : ${FIRST_PROBLEM}`,
  },
];

/**
 * The pod of a DaemonSet: its controller replaces every required term by one that names the node, so no term can speak
 * of a region; the bind gate decides. Only from the controller itself, or untouched since it made the pod.
 */
const DAEMON_SET_POD = `(
  request.operation == 'CREATE' ? request.userInfo.username == 'system:serviceaccount:kube-system:daemon-set-controller' : !variables.affinityMoved
) && object.metadata.?ownerReferences.orValue([]).exists(o,
  o.kind == 'DaemonSet' && o.apiVersion.startsWith('apps/') && o.?controller.orValue(false)
) && variables.terms.size() > 0 && variables.terms.all(t,
  t.?matchExpressions.orValue([]).size() == 0 && t.?matchFields.orValue([]).size() == 1 && t.matchFields[0].key == 'metadata.name' &&
  t.matchFields[0].operator == 'In' && t.matchFields[0].?values.orValue([]).size() == 1
)`;

/** A kubelet's record of a static pod on its own node, which runs anyway: refusing the record would only hide it. */
const MIRROR_POD = `'kubernetes.io/config.mirror' in object.metadata.?annotations.orValue({}) &&
  request.userInfo.username == 'system:node:' + variables.nodeName`;

/**
 * A pod at CREATE, and at UPDATE where its placement changed, which Kubernetes allows on gated pods only. Every other
 * update is let through, or a finalizer of a pod from before the policy could never be removed.
 */
export const podVariables: readonly CelVariable[] = [
  { name: 'pod', expression: 'dyn(object.spec)' },
  {
    name: 'affinityMoved',
    expression: `request.operation == 'UPDATE' && (
      dyn(object.spec).?affinity.?nodeAffinity.orValue({}) != dyn(oldObject.spec).?affinity.?nodeAffinity.orValue({})
    )`,
  },
  {
    name: 'moved',
    expression: `variables.affinityMoved ||
      dyn(object.spec).?nodeSelector.orValue({}) != dyn(oldObject.spec).?nodeSelector.orValue({}) ||
      dyn(object.spec).?schedulingGates.orValue([]) != dyn(oldObject.spec).?schedulingGates.orValue([])`,
  },
  { name: 'judged', expression: "request.operation == 'CREATE' || variables.moved" },
  { name: 'nodeName', expression: "request.operation == 'CREATE' ? object.spec.?nodeName.orValue('') : ''" },
  ...placementVariables,
  { name: 'daemonSetPod', expression: DAEMON_SET_POD },
  { name: 'mirrorPod', expression: MIRROR_POD },
  {
    name: 'violation',
    expression: `!variables.judged ? '' :
      variables.nodeName != '' ? (variables.mirrorPod ? '' : 'spec.nodeName bypasses the scheduler') :
      variables.daemonSetPod ? '' : variables.unconfined`,
  },
];

const template = (name: string): string => `has(dyn(${name}).spec.jobTemplate) ?
  dyn(${name}).spec.jobTemplate.spec.template.spec : dyn(${name}).spec.?template.?spec.orValue({})`;

/** A workload at CREATE, and at UPDATE where its pod template changed; not one that an other workload's controller keeps. */
export const workloadVariables: readonly CelVariable[] = [
  { name: 'pod', expression: template('object') },
  { name: 'before', expression: `request.operation == 'UPDATE' ? (${template('oldObject')}) : dyn({})` },
  {
    name: 'judged',
    expression: `!object.metadata.?ownerReferences.orValue([]).exists(o, o.?controller.orValue(false)) &&
      (request.operation == 'CREATE' || variables.pod != variables.before)`,
  },
  { name: 'nodeName', expression: "variables.pod.?nodeName.orValue('')" },
  ...placementVariables,
  {
    name: 'violation',
    expression: `!variables.judged ? '' : variables.nodeName != '' ? 'spec.nodeName bypasses the scheduler' : variables.unconfined`,
  },
];

/**
 * The bind gate. API servers from 1.35 on copy the node's region to the Binding before they ask
 * (https://kep.k8s.io/4742). The legacy `bindings` route makes no such copy and has no use any more.
 */
export const bindingVariables: readonly CelVariable[] = [
  { name: 'region', expression: `object.metadata.?labels[?${KEY}].orValue('')` },
  {
    name: 'violation',
    expression: `request.resource.resource == 'bindings' ? 'the legacy bindings route bypasses the bind gate' :
      object.target.?kind.orValue('') != 'Node' ? 'the binding does not name a node' :
      variables.region == '' ? 'node "' + object.target.name + '" has no known region' :
      variables.region in variables.regions ? '' : 'node "' + object.target.name + '" is in region "' + variables.region + '"'`,
  },
];

export const SELECTOR_FIX = `variables.regions.size() == 0 ? 'no region is allowed, ask the owners of the policies' :
  (variables.nodeName == '' ? '' : 'remove spec.nodeName and ') +
  'set spec.nodeSelector["${REGION_LABEL}"] to one of ' + variables.regions.join(', ')`;

export const BINDING_FIX = "'bind the pod through the scheduler to a node of an allowed region'";

export const message = (fix: string): string => `'policy ' + variables.policies + ' allows regions ' +
  (variables.listed == '' ? '(none)' : variables.regions.join(', ')) + ' in namespace ' + request.namespace + ': ' +
  variables.violation + '; fix: ' + (${fix})`;

/** The policies, in the API server's audit log, for a request that violates them; an empty value leaves the entry out. */
export const AUDIT_VALUE = "variables.violation == '' ? '' : variables.policies";
