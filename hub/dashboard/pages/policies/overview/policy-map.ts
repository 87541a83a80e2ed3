import type { ConnectionState, PolicyInCluster, PolicyView, RegionView } from '@fso/shared/api';
import { type ConnectionOf, unknownRegion } from '../../../map/map-regions.ts';

/** Clusters with violations that agents name, by the region in which the pod runs. */
const violationsByRegion = (clusters: readonly PolicyInCluster[]): Map<string, readonly string[]> => {
  const found = clusters.flatMap(({ cluster, report }) => (report?.violationSamples ?? []).map(({ region }) => ({ cluster, region })));
  const regions = Map.groupBy(found, ({ region }) => region);
  return new Map([...regions].flatMap(([region, list]) => (region === undefined ? [] : [[region, list.map(({ cluster }) => cluster)]])));
};

/**
 * Returns the regions that a policy allows and those in which pods violate it, with only the
 * policy's own clusters and violations. If several providers use a name, only the places with
 * clusters of the policy are returned; all of them, if none has any.
 *
 * @param views regions of the whole fleet
 */
export const policyRegionViews = (
  { effectiveRegions, clusters }: Pick<PolicyView, 'effectiveRegions' | 'clusters'>,
  views: readonly RegionView[],
): RegionView[] => {
  const known = Map.groupBy(views, ({ region }) => region);
  const own = new Set(clusters.map(({ cluster }) => cluster));
  const violations = violationsByRegion(clusters);
  return [...new Set([...effectiveRegions, ...violations.keys()])].flatMap((region) => {
    const found = known.get(region) ?? [unknownRegion(region)];
    const rows = found.map((view) => {
      const here = new Set(view.clusters);
      const violated = (violations.get(region) ?? []).filter((cluster) => found.length === 1 || here.has(cluster));
      return { ...view, clusters: view.clusters.filter((cluster) => own.has(cluster)), violations: violated.length };
    });
    const used = rows.filter((row) => row.clusters.length > 0 || row.violations > 0);
    return used.length > 0 ? used : rows;
  });
};

const connectionOf = ({ fresh, report }: PolicyInCluster): ConnectionState | undefined => {
  if (fresh) return 'Connected';
  return report === null ? undefined : 'Disconnected';
};

/** Returns the lookup of connections of the policy's clusters. */
export const connectionsOf = (clusters: readonly PolicyInCluster[]): ConnectionOf => {
  const connections = new Map(clusters.map((row) => [row.cluster, connectionOf(row)]));
  return (cluster) => connections.get(cluster);
};
