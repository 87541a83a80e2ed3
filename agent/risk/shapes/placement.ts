import { REGION_LABEL } from '@fso/shared/api';
import type { NodeSelectorTerm } from '@fso/shared/residency';
import type { PodTemplate, Toleration } from '@fso/shared/risk';
import { definedOnly } from '../../compare.ts';

/** Tolerations that the admission plugin DefaultTolerationSeconds adds to every pod. */
const USUAL: ReadonlySet<string> = new Set(['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']);

const isUsual = ({ key = '', effect }: Toleration): boolean => USUAL.has(key) && effect === 'NoExecute';

/** The requirement that placement injection adds at the end of a term; undefined: it has none. */
const injectedIn = (term: NodeSelectorTerm | null) => {
  const last = term?.matchExpressions?.at(-1);
  return last?.key === REGION_LABEL && last.operator === 'In' ? last : undefined;
};

/** The terms without what injection added; the last requirement of each may be that. */
const withoutInjection = (terms: readonly (NodeSelectorTerm | null)[]): readonly (NodeSelectorTerm | null)[] => {
  const [first] = terms.map(injectedIn);
  const isInjected = first !== undefined && terms.every((term) => injectedIn(term)?.values?.join() === first.values?.join());
  if (!isInjected) return terms;
  return terms
    .map((term) => ({ ...term, matchExpressions: term?.matchExpressions?.slice(0, -1) ?? [] }))
    .filter(({ matchExpressions, matchFields }: NodeSelectorTerm) => (matchExpressions?.length ?? 0) + (matchFields?.length ?? 0) > 0);
};

/**
 * The placement that the maker of a pod asked for: without the node on which it runs, and without
 * what admission adds to every pod. In a namespace with placement injection its requirement goes,
 * too, as the next pod gets that of its own time.
 */
export const askedPlacement = (pod: PodTemplate, isInjecting: boolean): PodTemplate => {
  const { nodeName: _bound, affinity, tolerations, ...rest } = pod;
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const nodeSelectorTerms = isInjecting ? withoutInjection(terms) : terms;
  const own = (tolerations ?? []).filter((toleration) => !isUsual(toleration));
  const required = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [...nodeSelectorTerms] } } };
  return definedOnly({
    ...rest,
    affinity: nodeSelectorTerms.length === 0 ? undefined : required,
    tolerations: own.length === 0 ? undefined : own,
  }) as unknown as PodTemplate;
};
