import { byText, canonicalJson, groupBy } from '../encoding/index.ts';
import type { ClusterState, Fleet } from './fleet.ts';
import { combineRules } from './rules.ts';

/**
 * Finds the clusters with nodes in one of the regions, whose policies let a namespace run there.
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

/** Regions of a cluster in which pods of a namespace may run; all if nothing denies. */
const openRegions = ({ list, regions }: ClusterState, namespace: string): readonly string[] => {
  const deny = combineRules(list.match(namespace)).get('deny');
  return deny === undefined ? regions : regions.filter((region) => deny.regions.includes(region));
};

/** Creates the search in a fleet. It looks up a namespace once in each list of policies. */
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
