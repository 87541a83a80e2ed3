import { byText, canonicalJson, groupBy } from '../encoding/index.ts';
import type { ClusterState, Fleet } from './fleet.ts';
import { combineRules } from './rules.ts';

/**
 * Clusters with nodes in one of some regions, in which the policies there let a namespace run.
 */
export type FindElsewhere = (namespace: string, regions: readonly string[]) => readonly string[];

interface Destination {
  readonly clusters: readonly string[];
  readonly state: ClusterState;
}

const destinationsIn = (fleet: Fleet): readonly Destination[] => {
  const withNodes = [...fleet].filter(([, { regions }]) => regions.length > 0);
  return [...groupBy(withNodes, ([, { digest, regions }]) => canonicalJson([digest, regions])).values()].flatMap((alike) =>
    alike.slice(0, 1).map(([, state]) => ({ clusters: alike.map(([name]) => name), state })),
  );
};

/** Regions of a cluster in which pods of a namespace may run; all where nothing denies. */
const openRegions = ({ list, regions }: ClusterState, namespace: string): readonly string[] => {
  const deny = combineRules(list.match(namespace)).get('deny');
  return deny === undefined ? regions : regions.filter((region) => deny.regions.includes(region));
};

/** Looks for other clusters. A namespace is looked up in each list of policies once. */
export const createElsewhere = (fleet: Fleet): FindElsewhere => {
  const destinations = destinationsIn(fleet);
  const known = new Map<string, readonly (readonly string[])[]>();
  return (namespace, regions) => {
    const open = known.get(namespace) ?? destinations.map(({ state }) => openRegions(state, namespace));
    known.set(namespace, open);
    return destinations
      .filter((_destination, index) => open[index]?.some((region) => regions.includes(region)))
      .flatMap(({ clusters }) => clusters)
      .toSorted(byText);
  };
};
