import type { LabelSelector, ManagedClusterDocument, Placement, RegionConflict } from '../api/index.ts';
import type { RegionResolver, ResolvedRegions } from '../regions/index.ts';

type Labels = Readonly<Record<string, string>>;
const NO_LABELS: Labels = {};

/** Whether a placement selects a cluster, by its registration. */
export type PlacementTest = (cluster: ManagedClusterDocument) => boolean;

/**
 * Creates the test of a placement. Every given field must select the cluster. An empty list selects
 * no cluster, an empty label selector every one.
 *
 * @param isStrict whether a cluster without a provider is selected only by regions that no provider
 * reads as another place. Views need this: hiding a cluster is better than showing it to people
 * whom it does not concern.
 */
export const placementTest = (placement: Placement | undefined, resolver: RegionResolver, isStrict: boolean = false): PlacementTest => {
  const { clusterSelector, clusterNames, clusterRegions } = placement ?? {};
  const names = clusterNames && new Set(clusterNames);
  const selects = clusterSelector && selectorTest(clusterSelector);
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
    (selects === undefined || selects(metadata.labels ?? NO_LABELS));
};

/** Whether a single provider reads the names as another place, without a time limit. */
const isCertainlyElsewhere = ({ providers, from, until }: RegionConflict): boolean =>
  providers.length === 1 && from === undefined && until === undefined;

/** Names of regions that no provider reads as another place. */
const certainNames = ({ regions, conflicts }: ResolvedRegions): readonly string[] => {
  const doubtful = new Set(conflicts.filter(isCertainlyElsewhere).flatMap((conflict) => conflict.regions));
  return doubtful.size === 0 ? regions : regions.filter((region) => !doubtful.has(region));
};

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
 * Creates the test of a metav1.LabelSelector. Every label and expression must match. An empty
 * selector selects everything, and NotIn matches if the label is missing. Loops are used for speed:
 * each commit tests every cluster.
 */
const selectorTest = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector): ((labels: Labels) => boolean) => {
  const wanted = Object.entries(matchLabels);
  return (labels) => {
    for (const [key, value] of wanted) if (labelOf(labels, key) !== value) return false;
    for (const expression of matchExpressions) if (!matchesExpression(expression, labels)) return false;
    return true;
  };
};

/** Whether a label selector selects an object with these labels. */
export const matchesSelector = (selector: LabelSelector, labels: Labels): boolean => selectorTest(selector)(labels);
