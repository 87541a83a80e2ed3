import { REGION_LABEL } from '../api/index.ts';
import { fixText, MAX_REGION_VALUES, MAX_REQUIREMENTS, MAX_TERMS, VIOLATION_TEXTS } from './messages.ts';
import type { NodeSelectorRequirement, NodeSelectorTerm, PodPlacement, ResidencyDecision } from './placement.ts';

const ADMITTED: ResidencyDecision = { admitted: true };

/**
 * Whether a pod may be created where only `allowedRegions` are allowed: admitted only if no node
 * outside of them, nor a node without a region, can satisfy the pod's required node constraints.
 *
 * The rule: for every term of the required node affinity, the regions that the term and
 * `nodeSelector` leave together are none, or all allowed. Preferences, pod affinity, spread and
 * tolerations never confine. Where the truth depends on something else than the region label, the
 * answer is the safe one (not admitted):
 * - `matchFields` and requirements on other labels are taken as always satisfiable, Gt and Lt as
 *   cutting nothing;
 * - an affinity beyond {@link MAX_TERMS}, {@link MAX_REQUIREMENTS} and {@link MAX_REGION_VALUES} is
 *   not judged;
 * - an empty list of terms, which the API server refuses, counts as no affinity.
 *
 * A pod of a DaemonSet, pinned by its controller to one node by name, is admitted: the bind gate
 * decides on the node's region.
 *
 * `nodeName` is a violation, since such a pod never meets the scheduler. On a pod that is already
 * bound the field is the scheduler's answer: leave it out to judge what the pod asked for.
 */
export const decideResidency = (pod: PodPlacement, allowedRegions: readonly string[]): ResidencyDecision => {
  if (pod.nodeName) return { admitted: false, violation: VIOLATION_TEXTS.nodeName, fix: fixText(allowedRegions, VIOLATION_TEXTS.nodeName) };
  const terms = requiredTerms(pod);
  if (isDaemonSetPod(pod, terms)) return ADMITTED;
  const violation = isTooLarge(terms) ? VIOLATION_TEXTS.tooLarge : findViolation(nodeSelectorRegion(pod), terms, new Set(allowedRegions));
  return violation === undefined ? ADMITTED : { admitted: false, violation, fix: fixText(allowedRegions, violation) };
};

/**
 * The regions in which a pod may be scheduled; undefined if it may be scheduled anywhere or on a
 * node without a region, or cannot be judged. {@link decideResidency} admits exactly the pods of
 * which all these regions are allowed, so that one pod can be compared with many lists.
 */
export const schedulableRegions = (pod: PodPlacement): readonly string[] | undefined => {
  if (pod.nodeName) return undefined;
  const terms = requiredTerms(pod);
  if (isDaemonSetPod(pod, terms)) return [];
  if (isTooLarge(terms)) return undefined;
  const fromSelector = requirementOf(nodeSelectorRegion(pod));
  if (terms.length === 0) return fromSelector[0]?.values;
  const reaches = terms
    .filter((term) => !isEmptyTerm(term))
    .map((term) => regionReach([...partsOf(term).matchExpressions, ...fromSelector]));
  return reaches.some(({ any, absent }) => any || absent) ? undefined : [...new Set(reaches.flatMap(({ values }) => values))];
};

/** Terms of a pod's required node affinity; empty if it has none. A node must match one of them. */
export const requiredTerms = (pod: PodPlacement): readonly (NodeSelectorTerm | null)[] =>
  pod.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];

/** Requirements of a term on labels and on fields; none for a null term. */
export const partsOf = (term: NodeSelectorTerm | null): Required<NodeSelectorTerm> => ({
  matchExpressions: term?.matchExpressions ?? [],
  matchFields: term?.matchFields ?? [],
});

/** Whether terms exceed the limits within which the locks judge. */
export const isTooLarge = (terms: readonly (NodeSelectorTerm | null)[]): boolean => {
  const expressions = terms.flatMap((term) => partsOf(term).matchExpressions);
  const fields = terms.flatMap((term) => partsOf(term).matchFields);
  const onRegion = expressions.filter(({ key }) => key === REGION_LABEL);
  const values = onRegion.reduce((sum, requirement) => sum + 1 + (requirement.values ?? []).length, 0);
  return terms.length > MAX_TERMS || expressions.length + fields.length > MAX_REQUIREMENTS || values > MAX_REGION_VALUES;
};

const nodeSelectorRegion = (pod: PodPlacement): string | undefined => {
  const selector = pod.nodeSelector ?? {};
  return Object.hasOwn(selector, REGION_LABEL) ? selector[REGION_LABEL] : undefined;
};

/** A nodeSelector as a requirement of each term. */
const requirementOf = (selected: string | undefined): readonly NodeSelectorRequirement[] =>
  selected === undefined ? [] : [{ key: REGION_LABEL, operator: 'In', values: [selected] }];

/** Kubernetes: "A null or empty node selector term matches no objects." */
const isEmptyTerm = (term: NodeSelectorTerm | null): boolean => {
  const { matchExpressions, matchFields } = partsOf(term);
  return matchExpressions.length + matchFields.length === 0;
};

const findViolation = (
  selected: string | undefined,
  terms: readonly (NodeSelectorTerm | null)[],
  allowed: ReadonlySet<string>,
): string | undefined => {
  const fromSelector = requirementOf(selected);
  const judge = (requirements: readonly NodeSelectorRequirement[], name: string, byName: boolean): string | undefined => {
    const reach = regionReach([...requirements, ...fromSelector]);
    return reachViolation(reach, allowed, { name: selected === undefined ? name : 'spec.nodeSelector', byName });
  };
  if (terms.length === 0) return selected === undefined ? VIOLATION_TEXTS.unconfined : judge([], '', false);
  for (const [index, term] of terms.entries()) {
    if (isEmptyTerm(term)) continue;
    const { matchExpressions, matchFields } = partsOf(term);
    const violation = judge(matchExpressions, `required node affinity term ${index + 1}`, matchFields.length > 0);
    if (violation !== undefined) return violation;
  }
  return undefined;
};

const reachViolation = (reach: RegionReach, allowed: ReadonlySet<string>, where: { name: string; byName: boolean }): string | undefined => {
  if (reach.any) return where.byName ? VIOLATION_TEXTS.byName(where.name) : VIOLATION_TEXTS.open(where.name);
  const outside = reach.values.find((value) => !allowed.has(value));
  if (outside !== undefined) return VIOLATION_TEXTS.region(where.name, outside);
  return reach.absent ? VIOLATION_TEXTS.absent(where.name) : undefined;
};

/**
 * Whether the DaemonSet controller has pinned a pod to its node. The controller replaces every
 * required term of the template by one that names the node (ReplaceDaemonSetPodNodeNameNodeAffinity
 * in Kubernetes' pkg/controller/daemon/util), and only exactly that shape counts.
 */
const isDaemonSetPod = (pod: PodPlacement, terms: readonly (NodeSelectorTerm | null)[]): boolean =>
  isOwnedByDaemonSet(pod) && terms.length > 0 && terms.every(isOneNode);

/** Whether a DaemonSet is the controller of a pod. */
export const isOwnedByDaemonSet = ({ ownerReferences }: PodPlacement): boolean =>
  (ownerReferences ?? []).some((owner) => owner.kind === 'DaemonSet' && owner.apiVersion.startsWith('apps/') && owner.controller === true);

/** Whether a term names exactly one node, as the DaemonSet controller writes it. */
export const isOneNode = (term: NodeSelectorTerm | null): boolean => {
  const { matchExpressions, matchFields } = partsOf(term);
  const [field, ...others] = matchFields;
  if (field === undefined || others.length > 0 || matchExpressions.length > 0) return false;
  return field.key === 'metadata.name' && field.operator === 'In' && field.values?.length === 1;
};

/**
 * Regions that a node may have and still match: `any` = no finite list, `values` = exactly those,
 * in order of appearance.
 */
export interface RegionReach {
  readonly any: boolean;
  readonly values: readonly string[];
  /** Whether a node without the region label matches too. */
  readonly absent: boolean;
}

/** Values that are in every list, in the order of the first; undefined without a list. */
const commonTo = ([first, ...others]: readonly string[][]): readonly string[] | undefined =>
  first?.filter((value) => others.every((other) => other.includes(value)));

/**
 * F(term): the region values that a node may have and still satisfy every one of these
 * requirements. Requirements on other keys, the legacy region key among them, are left out: they
 * can only narrow, and nothing ties them to a region.
 *
 * Gt and Lt ask for the label to be there but cut nothing: a region is no number, and an answer
 * that is too large is the safe one. An unknown operator cuts nothing either.
 *
 * @see https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#operators
 */
export const regionReach = (requirements: readonly NodeSelectorRequirement[]): RegionReach => {
  const onRegion = requirements.filter(({ key }) => key === REGION_LABEL);
  const valuesOf = (operator: string): readonly string[][] =>
    onRegion.filter((requirement) => requirement.operator === operator).map(({ values }) => values ?? []);
  const has = (...operators: string[]): boolean => onRegion.some(({ operator }) => operators.includes(operator));

  const excluded = new Set(valuesOf('NotIn').flat());
  const named = has('DoesNotExist') ? [] : commonTo(valuesOf('In'));
  return {
    any: named === undefined,
    values: (named ?? []).filter((value) => !excluded.has(value)),
    absent: !has('In', 'Exists', 'Gt', 'Lt'),
  };
};
