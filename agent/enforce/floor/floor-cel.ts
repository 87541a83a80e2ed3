import {
  FLOOR_ACTIONS,
  FLOOR_LABEL_VALUE,
  type FloorAction,
  floorLabel,
  floorPoliciesAnnotation,
  floorRegionsAnnotation,
  floorRevisionsAnnotation,
  INJECTION_LABEL,
  INJECTION_LABEL_VALUE,
  REGION_LABEL,
} from '@fso/shared/api';
import { MAX_LISTED, MAX_REGION_VALUES, MAX_REQUIREMENTS, MAX_TERMS, MORE, VIOLATION_TEXTS } from '@fso/shared/residency';

/**
 * The residency decision in CEL, as variables of a ValidatingAdmissionPolicy. Its texts equal those
 * of shared/residency. CEL evaluates a variable on first use, so an UPDATE does not pay for
 * variables that it does not read.
 *
 * @see
 * https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#variable-composition
 */

/** Variable of an admission policy, read by name in later expressions. */
export interface CelVariable {
  readonly name: string;
  readonly expression: string;
}

const KEY = `'${REGION_LABEL}'`;

const annotation = (key: string): string => `namespaceObject.metadata.?annotations[?'${key}']`;
const label = (key: string): string => `namespaceObject.metadata.?labels[?'${key}'].orValue('')`;

/**
 * CEL of the regions of injected placements: those of the strongest governing action except dryrun.
 * An annotation without its label is a leftover and does not count.
 */
export const INJECTED_LIST = FLOOR_ACTIONS.filter((action) => action !== 'dryrun').reduceRight(
  (weaker, action) =>
    `${label(floorLabel(action))} == '${FLOOR_LABEL_VALUE}' ? ${annotation(floorRegionsAnnotation(action))}.orValue('') : ${weaker}`,
  "''",
);

/**
 * Variables from the labels and annotations of the namespace, for one action. Without the
 * annotation no region is allowed: a selected namespace that lists no regions must not admit every
 * pod.
 */
export const namespaceVariables = (action: FloorAction): readonly CelVariable[] => [
  { name: 'listed', expression: `${annotation(floorRegionsAnnotation(action))}.orValue('')` },
  { name: 'regions', expression: "variables.listed == '' ? [] : variables.listed.split(',')" },
  { name: 'policies', expression: `${annotation(floorPoliciesAnnotation(action))}.orValue('(unknown)').replace(',', ', ')` },
  { name: 'revisions', expression: `${annotation(floorRevisionsAnnotation(action))}.orValue('').replace(',', ', ')` },
];

/** CEL list of the terms, each with its requirements on the region. */
const REACH = `variables.terms.map(t, {
  'empty': dyn(t.?matchExpressions.orValue([]).size() + t.?matchFields.orValue([]).size() == 0),
  'byName': dyn(t.?matchFields.orValue([]).size() > 0),
  'region': dyn(t.?matchExpressions.orValue([]).filter(e, e.key == ${KEY}))
})`;

/**
 * Regions outside the allowed ones that a term admits. Evaluated only if the term's In,
 * DoesNotExist or the nodeSelector bounds the regions.
 */
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

/** Problems of each term. */
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

const SO_MANY = `variables.terms.size() > ${MAX_TERMS} ||
  variables.terms.map(t, t.?matchExpressions.orValue([]).size() + t.?matchFields.orValue([]).size()).sum() > ${MAX_REQUIREMENTS}`;

/**
 * Evaluated before anything that visits every requirement or whose cost grows with the square of
 * the pod's size.
 */
const TOO_LARGE = `variables.soMany || variables.terms.map(t,
  t.?matchExpressions.orValue([]).filter(e, e.key == ${KEY}).map(e, 1 + e.?values.orValue([]).size()).sum()
).sum() > ${MAX_REGION_VALUES}`;

/**
 * Variables that judge `pod`, a pod spec. The last one is `unconfined`: the problem of its
 * constraints, `''` if there is none.
 */
export const placementVariables: readonly CelVariable[] = [
  {
    name: 'selected',
    expression: `has(variables.pod.nodeSelector) && ${KEY} in variables.pod.nodeSelector ? [variables.pod.nodeSelector[${KEY}]] : []`,
  },
  {
    name: 'terms',
    expression: 'variables.pod.?affinity.?nodeAffinity.?requiredDuringSchedulingIgnoredDuringExecution.?nodeSelectorTerms.orValue([])',
  },
  { name: 'soMany', expression: SO_MANY },
  { name: 'tooLarge', expression: TOO_LARGE },
  { name: 'reach', expression: REACH },
  { name: 'problems', expression: PROBLEMS },
  { name: 'bad', expression: 'variables.problems.filter(p, p.size() > 0)' },
  {
    name: 'unconfined',
    expression: `variables.terms.size() == 0 ? (${UNREACHED}) : variables.tooLarge ? '${VIOLATION_TEXTS.tooLarge}' :
      variables.bad.size() == 0 ? '' : ${FIRST_PROBLEM}`,
  },
];

/**
 * Whether the pod belongs to a DaemonSet. The controller replaces every required term by one that
 * names the node, so no term can name a region and the bind gate decides. Only the controller
 * itself counts, or a pod unchanged since the controller created it. The second user name is that
 * of all controllers if kube-controller-manager runs without --use-service-account-credentials.
 */
const DAEMON_SET_POD = `(
  request.operation == 'CREATE' ?
    request.userInfo.username in ['system:serviceaccount:kube-system:daemon-set-controller', 'system:kube-controller-manager'] :
    !variables.affinityMoved
) && object.metadata.?ownerReferences.orValue([]).exists(o,
  o.kind == 'DaemonSet' && o.apiVersion.startsWith('apps/') && o.?controller.orValue(false)
) && variables.terms.size() > 0 && variables.terms.all(t,
  t.?matchExpressions.orValue([]).size() == 0 && t.?matchFields.orValue([]).size() == 1 && t.matchFields[0].key == 'metadata.name' &&
  t.matchFields[0].operator == 'In' && t.matchFields[0].?values.orValue([]).size() == 1
)`;

/**
 * Whether the pod is a kubelet's record of a static pod, which runs on its node in any case:
 * refusing the record would only hide the pod.
 */
const MIRROR_POD = `'kubernetes.io/config.mirror' in object.metadata.?annotations.orValue({}) &&
  request.userInfo.username == 'system:node:' + variables.nodeName`;

/** Sizes below which most pods stay, far from the limits of a judgement. */
const PLAIN = { terms: 4, expressions: 8, values: 12 } as const;

/**
 * Whether each term requires allowed regions. Its other requirements can only exclude more nodes.
 */
const plainTerms = (regions: string): string => `terms.size() > 0 && terms.size() <= ${PLAIN.terms} && terms.all(t,
  t.?matchFields.orValue([]).size() == 0 && t.?matchExpressions.orValue([]).size() <= ${PLAIN.expressions} &&
  t.?matchExpressions.orValue([]).all(e, e.?values.orValue([]).size() <= ${PLAIN.values}) &&
  t.?matchExpressions.orValue([]).exists(e,
    e.key == ${KEY} && e.operator == 'In' && e.?values.orValue([]).size() > 0 && e.values.all(v, v != '' && v in ${regions})
  )
)`;

/**
 * Whether a new pod is plainly inside the allowed regions: by its nodeSelector alone, or by a short
 * required node affinity. This holds for most compliant pods, and nothing else is evaluated for
 * them. It matters because an API server evaluates the validations, messages and audit annotations
 * of a policy for every request, each with variables of its own.
 *
 * @param listed CEL expression of the allowed regions, separated by commas
 */
export const plainlyInside = (listed: string): string => `request.operation == 'CREATE' && !has(object.spec.nodeName) && (
  has(object.spec.affinity) ?
    [object.spec.affinity.?nodeAffinity.?requiredDuringSchedulingIgnoredDuringExecution.?nodeSelectorTerms.orValue([])].all(terms,
      ${plainTerms(`(${listed}).split(',')`)}
    ) :
    has(object.spec.nodeSelector) && object.spec.nodeSelector[?${KEY}].orValue('') != '' &&
      object.spec.nodeSelector[${KEY}] in (${listed}).split(',')
)`;

/**
 * Variables for a pod at CREATE, and at UPDATE if its placement changed, which Kubernetes allows
 * only on gated pods. Every other update passes; otherwise the finalizer of a pod older than the
 * policy could never be removed.
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

/** Regions that a nodeSelector could name while the required node affinity stays satisfiable. */
const FITTING = `variables.regions.filter(r, variables.reach.exists(t, !t.empty && t.region.all(e,
  e.operator == 'In' ? r in e.?values.orValue([]) :
  e.operator == 'NotIn' ? !(r in e.?values.orValue([])) :
  e.operator != 'DoesNotExist'
)))`;

/** Whether placement injection will confine the pods to exactly the allowed regions. */
const INJECTED = `${label(INJECTION_LABEL)} == '${INJECTION_LABEL_VALUE}' && variables.listed != '' && variables.listed == (${INJECTED_LIST}) &&
  !variables.soMany && variables.selected.size() == 0 && variables.terms.all(t, !t.?matchExpressions.orValue([]).exists(e, e.key == ${KEY}))`;

/**
 * Variables for a workload at CREATE, and at UPDATE if its pod template changed. Workloads owned by
 * another workload's controller are skipped.
 *
 * @param injection whether the API server can inject placements: pods that will get one need no
 * warning
 */
export const workloadVariables = (injection: boolean): readonly CelVariable[] => [
  { name: 'pod', expression: template('object') },
  { name: 'before', expression: `request.operation == 'UPDATE' ? (${template('oldObject')}) : dyn({})` },
  {
    name: 'judged',
    expression: `!object.metadata.?ownerReferences.orValue([]).exists(o, o.?controller.orValue(false)) &&
      (request.operation == 'CREATE' || variables.pod != variables.before)`,
  },
  { name: 'nodeName', expression: "variables.pod.?nodeName.orValue('')" },
  ...placementVariables,
  { name: 'injected', expression: injection ? INJECTED : 'false' },
  {
    name: 'violation',
    expression: `!variables.judged ? '' : variables.nodeName != '' ? 'spec.nodeName bypasses the scheduler' :
      variables.injected ? '' : variables.unconfined`,
  },
  { name: 'path', expression: "has(dyn(object).spec.jobTemplate) ? 'spec.jobTemplate.spec.template.spec' : 'spec.template.spec'" },
  { name: 'fitting', expression: `variables.tooLarge ? [] : ${FITTING}` },
  { name: 'proposed', expression: 'variables.fitting.size() > 0 ? variables.fitting : variables.regions' },
];

/** CEL of a list in a sentence, cut at MAX_LISTED characters. */
const listed = (text: string): string => `(${text}.size() > ${MAX_LISTED} ? ${text}.substring(0, ${MAX_LISTED}) + '${MORE}' : ${text})`;
const LISTED_REGIONS = listed("variables.regions.join(', ')");

/** CEL expression: the change to the spec that the message of a refused pod proposes. */
export const SELECTOR_FIX = `variables.regions.size() == 0 ? 'no region is allowed, ask the owners of the policies' :
  (variables.nodeName != '' ? 'remove spec.nodeName and ' : variables.tooLarge ? 'shorten the required node affinity and ' : '') +
  'set spec.nodeSelector["${REGION_LABEL}"] to one of ' + ${LISTED_REGIONS}`;

const REGION_LINE = `'${REGION_LABEL}: ' + variables.proposed[0]`;

/**
 * CEL expression of the fix for a workload, ready to paste: the path in this kind, and one line of
 * YAML. A nodeSelector on an allowed region confines the pod whatever the rest of its spec says.
 */
export const WORKLOAD_FIX = `variables.regions.size() == 0 ? 'no region is allowed, ask the owners of the policies' :
  (variables.nodeName == '' ? '' : 'remove ' + variables.path + '.nodeName' + (variables.unconfined == '' ? '' : ' and ')) +
  (variables.unconfined == '' ? '' :
    (variables.terms.size() > 0 && variables.fitting.size() == 0 ?
      'remove ' + variables.path + '.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution and ' : '') +
    (variables.selected.size() > 0 ? 'replace under ' + variables.path + '.nodeSelector: ' + ${REGION_LINE} :
      variables.pod.?nodeSelector.orValue({}).size() > 0 ? 'put under ' + variables.path + '.nodeSelector: ' + ${REGION_LINE} :
      'put under ' + variables.path + ': nodeSelector: {' + ${REGION_LINE} + '}') +
    (variables.proposed.size() < 2 ? '' : ' (or ' + ${listed("variables.proposed.filter(r, r != variables.proposed[0]).join(', ')")} + ')'))`;

/**
 * CEL expression of a refusal's message.
 *
 * @param fix CEL expression of its last part
 */
export const message = (fix: string): string => `'policy ' + ${listed('variables.policies')} + ' allows regions ' +
  (variables.listed == '' ? '(none)' : ${LISTED_REGIONS}) + ' in namespace ' + request.namespace + ': ' +
  variables.violation + '; fix: ' + (${fix})`;
