import { REGION_LABEL } from '@fso/shared/api';
import {
  MAX_REGION_VALUES,
  MAX_REQUIREMENTS,
  MAX_TERMS,
  type NodeSelectorRequirement,
  type NodeSelectorTerm,
  type PlacementSpec,
} from '@fso/shared/residency';

/**
 * An exception in which the decision is deliberately stricter than Kubernetes: a pod is refused
 * although no node outside of the allowed regions matches it. docs/residency.md gives the reasons.
 */
export interface ConservativeException {
  readonly name: string;
  /**
   * The pod as the decision reads it: without what it does not take into account. The exception explains a refusal only
   * where Kubernetes' matcher lets *this* pod run outside. Undefined where the exception has nothing to say.
   */
  readonly relax: (pod: PlacementSpec) => PlacementSpec | undefined;
}

/** True on every node of the model: a term whose requirements are all removed still has one to match. */
const ALWAYS: NodeSelectorRequirement = { key: 'oracle.example/never-set', operator: 'DoesNotExist' };
/** A region that no policy allows and no generated pod names. */
const ELSEWHERE = 'region-of-the-oracle';

const termsOf = (pod: PlacementSpec): readonly (NodeSelectorTerm | null)[] | undefined =>
  pod.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;

const withTerms = (pod: PlacementSpec, nodeSelectorTerms: NodeSelectorTerm[]): PlacementSpec => ({
  ...pod,
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
});

/** Changes each term that is not empty. An empty one matches nothing, for Kubernetes and for the decision. */
const mapTerms = (pod: PlacementSpec, change: (term: NodeSelectorTerm) => NodeSelectorTerm): PlacementSpec => {
  const terms = termsOf(pod);
  if (terms === undefined) return pod;
  const isEmpty = (term: NodeSelectorTerm | null): term is null =>
    (term?.matchExpressions ?? []).length + (term?.matchFields ?? []).length === 0;
  return withTerms(
    pod,
    terms.map((term) => (isEmpty(term) ? {} : change(term))),
  );
};

const mapExpressions = (pod: PlacementSpec, change: (requirement: NodeSelectorRequirement) => NodeSelectorRequirement): PlacementSpec =>
  mapTerms(pod, (term) => ({ ...term, matchExpressions: [...(term.matchExpressions ?? []).map(change), ALWAYS] }));

const onRegion = ({ key }: NodeSelectorRequirement): boolean => key === REGION_LABEL;
const isNumeric = ({ operator }: NodeSelectorRequirement): boolean => operator === 'Gt' || operator === 'Lt';

const forgetOtherLabels = (pod: PlacementSpec): PlacementSpec => ({
  ...mapExpressions(pod, (requirement) => (onRegion(requirement) ? requirement : ALWAYS)),
  nodeSelector: Object.fromEntries(Object.entries(pod.nodeSelector ?? {}).filter(([key]) => key === REGION_LABEL)),
});

const forgetFields = (pod: PlacementSpec): PlacementSpec =>
  mapTerms(pod, ({ matchExpressions = [] }) => ({ matchExpressions: [...matchExpressions, ALWAYS] }));

const forgetNumbers = (pod: PlacementSpec): PlacementSpec =>
  mapExpressions(pod, (requirement) =>
    onRegion(requirement) && isNumeric(requirement) ? { key: REGION_LABEL, operator: 'Exists' } : requirement,
  );

const VALUE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/;

/** The decision's reading of a requirement that Kubernetes cannot parse; a well-formed one stays. */
const wellFormed = (requirement: NodeSelectorRequirement): NodeSelectorRequirement => {
  const { key, operator, values = [] } = requirement;
  if (!onRegion(requirement)) return requirement;
  if (operator === 'In') return { key, operator, values: values.map((value) => (VALUE.test(value) ? value : ELSEWHERE)) };
  if (operator === 'NotIn') return { key, operator, values: [...values.filter((value) => VALUE.test(value)), 'no-region'] };
  if (operator === 'Exists' || operator === 'DoesNotExist') return { key, operator };
  return isNumeric(requirement) ? requirement : ALWAYS;
};

const isTooLarge = (pod: PlacementSpec): boolean => {
  const terms = termsOf(pod) ?? [];
  const expressions = terms.flatMap((term) => term?.matchExpressions ?? []);
  const requirements = [...expressions, ...terms.flatMap((term) => term?.matchFields ?? [])];
  const regions = expressions.filter(onRegion).flatMap(({ values = [] }) => ['operator', ...values]);
  return terms.length > MAX_TERMS || requirements.length > MAX_REQUIREMENTS || regions.length > MAX_REGION_VALUES;
};

const forgetEmptyList = (pod: PlacementSpec): PlacementSpec => (termsOf(pod)?.length === 0 ? withoutAffinity(pod) : pod);
const withoutAffinity = ({ affinity: _, ...pod }: PlacementSpec): PlacementSpec => pod;

const relaxations = {
  'requirements on other labels are taken as satisfiable': forgetOtherLabels,
  'matchFields are taken as satisfiable': forgetFields,
  'Gt and Lt cut no region': forgetNumbers,
  'what the API server refuses: requirements that cannot be parsed': (pod: PlacementSpec) => mapExpressions(pod, wellFormed),
  'what the API server refuses: an empty list of terms': forgetEmptyList,
} as const;

const all = Object.values(relaxations);

/**
 * Exceptions in the order in which they are tried; a pod counts for the first that explains its
 * refusal.
 */
export const EXCEPTIONS: readonly ConservativeException[] = [
  { name: 'spec.nodeName is always refused', relax: (pod) => (pod.nodeName ? {} : undefined) },
  { name: 'an affinity that is too large is refused', relax: (pod) => (isTooLarge(pod) ? {} : undefined) },
  ...Object.entries(relaxations).map(([name, relax]) => ({ name, relax })),
  { name: 'several of these at once', relax: (pod) => all.reduce((relaxed, relax) => relax(relaxed), pod) },
];
