import { REGION_LABEL } from '../api/index.ts';
import { decideResidency, regionReach } from '../residency/index.ts';
import type { PodTemplate } from './template.ts';

const REQUIRED = 'affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution';

const termsOf = ({ affinity }: PodTemplate) =>
  affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];

/**
 * Allowed regions that a nodeSelector can name without contradicting the required node affinity.
 */
const fittingRegions = (template: PodTemplate, regions: readonly string[]): readonly string[] => {
  const reaches = termsOf(template)
    .filter((term) => (term?.matchExpressions ?? []).length + (term?.matchFields ?? []).length > 0)
    .map((term) => ({ reach: regionReach(term.matchExpressions ?? []), expressions: term.matchExpressions ?? [] }));
  return regions.filter((region) =>
    reaches.some(({ reach, expressions }) => (reach.any ? !isExcluded(expressions, region) : reach.values.includes(region))),
  );
};

const isExcluded = (expressions: readonly { key: string; operator: string; values?: string[] }[], region: string): boolean =>
  expressions.some(({ key, operator, values }) => key === REGION_LABEL && operator === 'NotIn' && (values ?? []).includes(region));

/**
 * Returns the change that confines the pods of a template to the allowed regions, in the words of
 * lock 1 (agent/enforce/floor/floor-cel.ts#WORKLOAD_FIX).
 *
 * @param path of the pod spec in the owner, such as `spec.template.spec`
 */
export const confiningLine = (template: PodTemplate, regions: readonly string[], path: string): string => {
  if (regions.length === 0) return 'no region is allowed, ask the owners of the policies';
  const { nodeName, nodeSelector, ...rest } = template;
  const isConfined = decideResidency({ ...rest, ...(nodeSelector && { nodeSelector }) }, regions).admitted;
  const unpinned = nodeName ? `remove ${path}.nodeName` : '';
  if (isConfined) return unpinned;
  const fitting = fittingRegions(template, regions);
  const [first, ...others] = fitting.length > 0 ? fitting : regions;
  const opened = termsOf(template).length > 0 && fitting.length === 0 ? `remove ${path}.${REQUIRED} and ` : '';
  const line = `${REGION_LABEL}: ${first}`;
  const place = selectorPlace(nodeSelector, path, line);
  return `${unpinned === '' ? '' : `${unpinned} and `}${opened}${place}${others.length === 0 ? '' : ` (or ${others.join(', ')})`}`;
};

const selectorPlace = (selector: PodTemplate['nodeSelector'], path: string, line: string): string => {
  const keys = Object.keys(selector ?? {});
  if (keys.includes(REGION_LABEL)) return `replace under ${path}.nodeSelector: ${line}`;
  return keys.length > 0 ? `put under ${path}.nodeSelector: ${line}` : `put under ${path}: nodeSelector: {${line}}`;
};
