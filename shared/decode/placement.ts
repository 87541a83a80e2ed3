import type { LabelSelector, ManagedClusterDocument, Placement, RegionConflict } from '../api/index.ts';
import type { RegionResolver, ResolvedRegions } from '../regions/index.ts';

/** Whether a placement selects a cluster, by its registration. */
export type PlacementTest = (cluster: ManagedClusterDocument) => boolean;

/**
 * Every given field must select the cluster; an empty list selects none, an empty label selector
 * all.
 *
 * @param isStrict whether a cluster that declares no provider is selected by those regions only
 * that no provider reads as another place: it is rather not shown to people than to those whom it
 * does not concern
 */
export const placementTest = (placement: Placement | undefined, resolver: RegionResolver, isStrict: boolean = false): PlacementTest => {
  const { clusterSelector, clusterNames, clusterRegions } = placement ?? {};
  const names = clusterNames && new Set(clusterNames);
  const regionsFor = new Map<string | undefined, ReadonlySet<string>>();
  const regionsOf = (references: readonly string[], provider: string | undefined): ReadonlySet<string> => {
    const resolved = resolver.resolve(references, provider);
    const regions = regionsFor.get(provider) ?? new Set(isStrict && provider === undefined ? certainNames(resolved) : resolved.regions);
    regionsFor.set(provider, regions);
    return regions;
  };
  return ({ metadata, spec }) =>
    (names === undefined || names.has(metadata.name)) &&
    (clusterRegions === undefined || spec.regions.some((region) => regionsOf(clusterRegions, spec.provider).has(region))) &&
    (clusterSelector === undefined || matchesSelector(clusterSelector, metadata.labels ?? {}));
};

/** Whether one provider reads names as another place, on every day. */
const isCertainlyElsewhere = ({ providers, from, until }: RegionConflict): boolean =>
  providers.length === 1 && from === undefined && until === undefined;

/** Names of regions that no provider reads as another place. */
const certainNames = ({ regions, conflicts }: ResolvedRegions): readonly string[] => {
  const doubtful = new Set(conflicts.filter(isCertainlyElsewhere).flatMap((conflict) => conflict.regions));
  return doubtful.size === 0 ? regions : regions.filter((region) => !doubtful.has(region));
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
