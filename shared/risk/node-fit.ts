import type { NodeSelectorRequirement, NodeSelectorTerm } from '../residency/index.ts';
import type { NodeFacts, PodTemplate, Taint, Toleration } from './template.ts';

/**
 * Fit of pods on nodes, as kube-scheduler filters them by node selector, required node affinity
 * and taints. Its other filters, such as for resources and volumes, are not looked at.
 */

/** @see https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ */
export const tolerates = ({ key, operator, value = '', effect }: Toleration, taint: Taint): boolean => {
  if (effect && effect !== taint.effect) return false;
  if (!key) return operator === 'Exists';
  return key === taint.key && (operator === 'Exists' || value === (taint.value ?? ''));
};

/** The first taint that keeps the pods of a template away. */
export const untoleratedTaint = (tolerations: readonly Toleration[], { taints }: NodeFacts): Taint | undefined =>
  taints.find(
    (taint) => (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') && !tolerations.some((each) => tolerates(each, taint)),
  );

const INTEGER = /^[+-]?\d+$/;

/** Compares as integers, as the scheduler does; what is no integer matches nothing. */
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
export const hasLabel = (node: NodeFacts, key: string, value: string): boolean => node.labels === undefined || labelOf(node, key) === value;

/** Whether a node has every label of the node selector. */
export const matchesSelector = ({ nodeSelector }: PodTemplate, node: NodeFacts): boolean =>
  Object.entries(nodeSelector ?? {}).every(([key, value]) => hasLabel(node, key, value));

/** Whether a node satisfies a term of the required node affinity, if there is one. */
export const matchesAffinity = ({ affinity }: PodTemplate, node: NodeFacts): boolean => {
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required == null || (required.nodeSelectorTerms ?? []).some((term) => matchesTerm(term, node));
};
