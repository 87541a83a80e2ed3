/** Nodes of a cluster in a region, and whether the cluster is registered there. */
export interface NodeRegion {
  /** Empty for nodes without a region. */
  readonly region: string;
  readonly nodes: number;
  readonly isRegistered: boolean;
}

const order = (a: NodeRegion, b: NodeRegion): number => {
  if ((a.region === '') !== (b.region === '')) return a.region === '' ? -1 : 1;
  return b.nodes - a.nodes || a.region.localeCompare(b.region);
};

/**
 * Lists nodes by region: nodes without a region first, then regions by their number of nodes.
 *
 * @param nodesByRegion undefined if nothing is reported
 */
export const nodeRegions = (nodesByRegion: Readonly<Record<string, number>> | undefined, registered: readonly string[]): NodeRegion[] => {
  const nodes = new Map(Object.entries(nodesByRegion ?? {}));
  return [...new Set([...nodes.keys(), ...registered])]
    .map((region) => ({ region, nodes: nodes.get(region) ?? 0, isRegistered: registered.includes(region) }))
    .filter(({ region, nodes: count }) => region !== '' || count > 0)
    .sort(order);
};

/** Comparison of the nodes of a region with the regions that the cluster registers. */
export type RegionNote = 'withoutRegion' | 'notRegistered' | 'noNodes' | 'asRegistered';

/** Compares a region's nodes with the registration of the cluster. */
export const regionNote = ({ region, nodes, isRegistered }: NodeRegion): RegionNote => {
  if (region === '') return 'withoutRegion';
  if (!isRegistered) return 'notRegistered';
  return nodes === 0 ? 'noNodes' : 'asRegistered';
};
