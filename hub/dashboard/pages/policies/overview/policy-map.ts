import type { ConnectionState, PolicyInCluster, PolicyView, RegionView } from '@fso/shared/api';
import type { ConnectionOf } from '../../../map/map-regions.ts';

const noView = (region: string): RegionView => ({ region, groups: [], policies: 1, clusters: [], nodes: 0, violations: 0 });

/** Violations of a policy that agents name, by the region in which the pod runs. */
const violationsByRegion = (clusters: readonly PolicyInCluster[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const { region } of clusters.flatMap(({ report }) => report?.violationSamples ?? [])) {
    if (region !== undefined) counts.set(region, (counts.get(region) ?? 0) + 1);
  }
  return counts;
};

/**
 * The regions that a policy allows, and those in which pods violate it: with its own clusters and
 * violations alone.
 *
 * @param views what is known of the regions of the whole fleet
 */
export const policyRegionViews = (
  { effectiveRegions, clusters }: Pick<PolicyView, 'effectiveRegions' | 'clusters'>,
  views: readonly RegionView[],
): RegionView[] => {
  const known = new Map(views.map((view) => [view.region, view]));
  const own = new Set(clusters.map(({ cluster }) => cluster));
  const violations = violationsByRegion(clusters);
  return [...new Set([...effectiveRegions, ...violations.keys()])].map((region) => {
    const view = known.get(region) ?? noView(region);
    return { ...view, clusters: view.clusters.filter((cluster) => own.has(cluster)), violations: violations.get(region) ?? 0 };
  });
};

const connectionOf = ({ fresh, report }: PolicyInCluster): ConnectionState | undefined => {
  if (fresh) return 'Connected';
  return report === null ? undefined : 'Disconnected';
};

/** Connections of the clusters that should have the policy. */
export const connectionsOf = (clusters: readonly PolicyInCluster[]): ConnectionOf => {
  const connections = new Map(clusters.map((row) => [row.cluster, connectionOf(row)]));
  return (cluster) => connections.get(cluster);
};
