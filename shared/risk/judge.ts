import { decideResidency, type NodeSelectorRequirement, type NodeSelectorTerm } from '../residency/index.ts';
import { weakMemo2 } from '../runtime/index.ts';
import { injectRegions } from './inject.ts';
import { confiningLine } from './mend.ts';
import type { NodeFacts, PodTemplate, Taint, Toleration } from './template.ts';

/**
 * Fit of pods on nodes, as kube-scheduler filters them by node selector, required node affinity and
 * taints. Its other filters, such as resources and volumes, are ignored.
 */

/** @see https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ */
const tolerates = ({ key, operator, value = '', effect }: Toleration, taint: Taint): boolean => {
  if (effect && effect !== taint.effect) return false;
  if (!key) return operator === 'Exists';
  return key === taint.key && (operator === 'Exists' || value === (taint.value ?? ''));
};

/** First taint of a node that keeps the pods away. */
const untoleratedTaint = (tolerations: readonly Toleration[], { taints }: NodeFacts): Taint | undefined =>
  taints.find(
    (taint) => (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') && !tolerations.some((each) => tolerates(each, taint)),
  );

const INTEGER = /^[+-]?\d+$/;

/** Compares as integers, like the scheduler. Other values never match. */
const compares = (value: string | undefined, [bound]: readonly string[], isGreater: boolean): boolean => {
  if (value === undefined || bound === undefined || !INTEGER.test(value) || !INTEGER.test(bound)) return false;
  return isGreater ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound);
};

const meets = ({ operator, values }: NodeSelectorRequirement, value: string | undefined): boolean => {
  const listed = values ?? [];
  switch (operator) {
    case 'In':
      return value !== undefined && listed.includes(value);
    case 'NotIn':
      return value === undefined || !listed.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return compares(value, listed, true);
    case 'Lt':
      return compares(value, listed, false);
    default:
      return false;
  }
};

const labelOf = ({ labels }: NodeFacts, key: string): string | undefined =>
  labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;

const matchesTerm = (term: NodeSelectorTerm | null, node: NodeFacts): boolean => {
  const expressions = term?.matchExpressions ?? [];
  const fields = term?.matchFields ?? [];
  // Kubernetes: "A null or empty node selector term matches no objects."
  if (expressions.length + fields.length === 0) return false;
  return (
    expressions.every((each) => node.labels === undefined || meets(each, labelOf(node, each.key))) &&
    fields.every((each) => each.key === 'metadata.name' && meets(each, node.name))
  );
};

/** Whether a node has one label of a node selector. */
const hasLabel = (node: NodeFacts, key: string, value: string): boolean => node.labels === undefined || labelOf(node, key) === value;

/** Whether a node has every label of the node selector. */
const matchesSelector = ({ nodeSelector }: PodTemplate, node: NodeFacts): boolean =>
  Object.entries(nodeSelector ?? {}).every(([key, value]) => hasLabel(node, key, value));

/** Whether a node satisfies a term of the required node affinity, if there is one. */
const matchesAffinity = ({ affinity }: PodTemplate, node: NodeFacts): boolean => {
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required == null || (required.nodeSelectorTerms ?? []).some((term) => matchesTerm(term, node));
};

/** Pod template, with the policies and nodes to judge it against. */
export interface TemplateQuestion {
  readonly template: PodTemplate;
  /** Whether a DaemonSet creates the pods. Its controller assigns each pod to a node. */
  readonly isDaemonSet: boolean;
  /** Path of the pod spec in the owner, such as `spec.template.spec`. */
  readonly path: string;
  /** Regions that every denying policy of the namespace allows. */
  readonly regions: readonly string[];
  /** Regions that placement injection adds to the pods. If empty, pods stay unchanged. */
  readonly injected: readonly string[];
  readonly nodes: readonly NodeFacts[];
}

/** Outcome for the next pods of a template. */
export type TemplateJudgement =
  | { readonly risk: 'None' }
  | {
      readonly risk: 'Refused' | 'Pending';
      /** Rule that the pods fail. */
      readonly reason: string;
      /** Change that removes the risk. */
      readonly fix: string;
      /** Number of nodes outside on which the pods of a DaemonSet would stay pending. */
      readonly nodes?: number;
    };

const NONE: TemplateJudgement = { risk: 'None' };

const everywhere = (key: string, effect: string): Toleration => ({ key, operator: 'Exists', effect });

/** Tolerations that the admission plugin DefaultTolerationSeconds adds to every pod. */
const USUAL_TOLERATIONS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'].map((key) => everywhere(key, 'NoExecute'));

/**
 * Tolerations that the DaemonSet controller adds to its pods.
 *
 * @see https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/#taints-and-tolerations
 */
const DAEMON_SET_TOLERATIONS = [
  ...USUAL_TOLERATIONS,
  ...['disk-pressure', 'memory-pressure', 'pid-pressure', 'unschedulable'].map((name) =>
    everywhere(`node.kubernetes.io/${name}`, 'NoSchedule'),
  ),
];

/**
 * Judges whether the next pods of a template can run. The locks refuse pods that fail the residency
 * decision after placement injection. Other pods stay pending if no node in an allowed region
 * satisfies their node selector, required node affinity and tolerations. Pure.
 */
export const judgeTemplate = (question: TemplateQuestion): TemplateJudgement => {
  const { template, isDaemonSet, path, regions, injected } = question;
  if (isDaemonSet && !template.nodeName) return judgeDaemonSet(question);
  const next = injectRegions(template, injected);
  const decision = decideResidency(next, regions);
  if (!decision.admitted) return { risk: 'Refused', reason: decision.violation, fix: confiningLine(next, regions, path) };
  return template.isCut === true ? NONE : judgeFit(next, question);
};

/**
 * Judges the pods of a DaemonSet. Admission lets them pass, and the bind gate decides by the node
 * of each pod: pods for nodes outside of the allowed regions stay pending.
 */
const judgeDaemonSet = ({ template, nodes, regions, path }: TemplateQuestion): TemplateJudgement => {
  if (template.isCut === true) return NONE;
  const tolerations = [...(template.tolerations ?? []), ...DAEMON_SET_TOLERATIONS];
  const outside = nodes.filter(
    (node) =>
      (node.region === undefined || !regions.includes(node.region)) &&
      matchesSelector(template, node) &&
      matchesAffinity(template, node) &&
      untoleratedTaint(tolerations, node) === undefined,
  );
  const [first] = outside;
  if (first === undefined) return NONE;
  const where = first.region === undefined ? 'which has no region' : `in ${first.region}`;
  const others = outside.length === 1 ? '' : ` and ${outside.length - 1} more`;
  const reason = `it selects nodes outside: ${first.name}, ${where},${others} where the bind gate refuses its pods`;
  return { risk: 'Pending', reason, fix: confiningLine(template, regions, path), nodes: outside.length };
};

const insideOf = weakMemo2((nodes: readonly NodeFacts[], regions: readonly string[]) =>
  nodes.filter(({ region }) => region !== undefined && regions.includes(region)),
);

const judgeFit = (template: PodTemplate, { nodes, regions, path }: TemplateQuestion): TemplateJudgement => {
  const inside = insideOf(nodes, regions);
  if (inside.length === 0) return pending('no node is in an allowed region', `add a node in ${regions.join(', ')}`);
  const { isSelected, taint, isFitting } = firstFit(template, inside);
  if (isFitting) return NONE;
  if (!isSelected) return unselected(template, inside, path);
  return taint === undefined
    ? pending(
        'no node inside satisfies the required node affinity',
        `label a node inside as it asks, or relax ${path}.affinity.nodeAffinity`,
      )
    : tainted(taint, path);
};

/**
 * Finds out whether the pods fit on any node inside. If not, reports whether the node selector
 * matches a node, and the first taint that is not tolerated.
 */
const firstFit = (template: PodTemplate, inside: readonly NodeFacts[]) => {
  const tolerations = [...(template.tolerations ?? []), ...USUAL_TOLERATIONS];
  let isSelected = false;
  let taint: Taint | undefined;
  for (const node of inside) {
    if (!matchesSelector(template, node)) continue;
    isSelected = true;
    if (!matchesAffinity(template, node)) continue;
    const untolerated = untoleratedTaint(tolerations, node);
    if (untolerated === undefined) return { isSelected, isFitting: true };
    taint ??= untolerated;
  }
  return { isSelected, isFitting: false, taint };
};

const unselected = ({ nodeSelector = {} }: PodTemplate, inside: readonly NodeFacts[], path: string): TemplateJudgement => {
  const missing = Object.entries(nodeSelector ?? {}).find(([key, value]) => !inside.some((node) => hasLabel(node, key, value)));
  if (missing === undefined) {
    return pending(
      'no node inside has all labels of spec.nodeSelector',
      `label one node inside with all of them, or shorten ${path}.nodeSelector`,
    );
  }
  const [key, value] = missing;
  return pending(
    `no node inside has the label ${key}=${value} of spec.nodeSelector`,
    `label a node inside with ${key}=${value}, or remove ${path}.nodeSelector["${key}"]`,
  );
};

const tainted = (taint: Taint, path: string): TemplateJudgement => {
  const value = taint.value ? `, value: ${taint.value}` : ', operator: Exists';
  const line = `{key: ${taint.key}${value}, effect: ${taint.effect}}`;
  const name = `${taint.key}${taint.value ? `=${taint.value}` : ''}:${taint.effect}`;
  return pending(
    `every node inside that it selects has a taint that it does not tolerate, such as ${name}`,
    `put under ${path}.tolerations: ${line}, or remove the taint`,
  );
};

const pending = (reason: string, fix: string): TemplateJudgement => ({ risk: 'Pending', reason, fix });
