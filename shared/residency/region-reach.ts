import { REGION_LABEL } from '../api/index.ts';
import type { NodeSelectorRequirement } from './types.ts';

/** Which regions a node may have and still match: `any` = no finite list, `values` = exactly those, in order of appearance. */
export interface RegionReach {
  readonly any: boolean;
  readonly values: readonly string[];
  /** Whether a node without the region label matches too. */
  readonly absent: boolean;
}

/** What stands in every list, in the order of the first; undefined without a list. */
const commonTo = ([first, ...others]: readonly string[][]): readonly string[] | undefined =>
  first?.filter((value) => others.every((other) => other.includes(value)));

/**
 * F(term): the region values that a node may have and still satisfy every one of these requirements. Requirements on
 * other keys, the legacy region key among them, are left out: they can only narrow, and nothing ties them to a region.
 *
 * Gt and Lt ask for the label to be there but cut nothing: a region is no number, and an answer that is too large
 * is the safe one. An unknown operator cuts nothing either.
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
