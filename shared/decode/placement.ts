import type { LabelSelector, ManagedClusterDocument, Placement } from '../api/index.ts';
import { expandRegions, type RegionGroups } from './regions.ts';

export type PlacementTest = (cluster: ManagedClusterDocument) => boolean;

/**
 * Every given field must select the cluster; an empty list selects none, an empty label selector
 * all.
 */
export const placementTest = (placement: Placement | undefined, groups: RegionGroups): PlacementTest => {
  const { clusterSelector, clusterNames, clusterRegions } = placement ?? {};
  const names = clusterNames && new Set(clusterNames);
  const regions = clusterRegions && new Set(expandRegions(clusterRegions, groups));
  return ({ metadata, spec }) =>
    (names === undefined || names.has(metadata.name)) &&
    (regions === undefined || spec.regions.some((region) => regions.has(region))) &&
    (clusterSelector === undefined || matchesSelector(clusterSelector, metadata.labels ?? {}));
};

type Labels = Readonly<Record<string, string>>;
type Expression = NonNullable<LabelSelector['matchExpressions']>[number];

const labelOf = (labels: Labels, key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined);

const matchesExpression = ({ key, operator, values = [] }: Expression, labels: Labels): boolean => {
  const value = labelOf(labels, key);
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
};

/**
 * metav1.LabelSelector: every label and expression must hold; an empty selector selects everything;
 * NotIn holds without the label.
 */
export const matchesSelector = (selector: LabelSelector, labels: Labels): boolean =>
  Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labelOf(labels, key) === value) &&
  (selector.matchExpressions ?? []).every((expression) => matchesExpression(expression, labels));
