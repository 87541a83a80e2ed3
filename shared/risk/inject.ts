import { REGION_LABEL } from '../api/index.ts';
import { MAX_REGION_VALUES, MAX_REQUIREMENTS, MAX_TERMS, type NodeSelectorTerm } from '../residency/index.ts';
import type { PodTemplate } from './template.ts';

const partsOf = (term: NodeSelectorTerm | null) => ({ expressions: term?.matchExpressions ?? [], fields: term?.matchFields ?? [] });

const exceedsLimits = (terms: readonly (NodeSelectorTerm | null)[]): boolean =>
  terms.length > MAX_TERMS ||
  terms.reduce((sum, term) => sum + partsOf(term).expressions.length + partsOf(term).fields.length, 0) > MAX_REQUIREMENTS;

/**
 * Applies placement injection to a template. The rules and their order are those of
 * `fso-placement-injection` in CEL (agent/enforce/injection/injection.ts).
 *
 * @param regions allowed regions, sorted; if empty, nothing is injected
 */
export const injectRegions = (template: PodTemplate, regions: readonly string[]): PodTemplate => {
  const { nodeName, nodeSelector, affinity } = template;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const terms = required?.nodeSelectorTerms ?? [];
  const isRegionSelected = nodeSelector != null && Object.hasOwn(nodeSelector, REGION_LABEL);
  if (regions.length === 0 || nodeName || isRegionSelected || exceedsLimits(terms)) return template;
  if (terms.length * (regions.length + 1) > MAX_REGION_VALUES) return template;
  const requirement = { key: REGION_LABEL, operator: 'In', values: [...regions] };
  const injected = (term: NodeSelectorTerm | null): NodeSelectorTerm => {
    const { expressions, fields } = partsOf(term);
    if (expressions.length + fields.length === 0 || expressions.some(({ key }) => key === REGION_LABEL)) return term ?? {};
    return { ...term, matchExpressions: [...expressions, requirement] };
  };
  const nodeSelectorTerms = required == null ? [{ matchExpressions: [requirement] }] : terms.map(injected);
  return { ...template, affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } };
};
