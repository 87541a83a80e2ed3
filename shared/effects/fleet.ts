import {
  type CompiledCluster,
  type CompiledPolicy,
  compileFleet,
  createMatcher,
  DIGEST_OF_NONE,
  digestOfPolicies,
} from '../compile/index.ts';
import type { PolicySet } from '../decode/index.ts';
import { byText, canonicalJson, sha256 } from '../encoding/index.ts';
import { type Rule, rulesOf } from './rules.ts';

/** A fleet at one moment. */
export interface FleetState {
  readonly set: PolicySet;
  /** Milliseconds since 1970: policies that have expired then govern nothing. */
  readonly atMs: number;
  /** Clusters that are lost with all their nodes, though they are registered. */
  readonly withoutClusters: readonly string[];
  /** Regions whose nodes are lost. */
  readonly withoutRegions: readonly string[];
  /** Whether a policy counts in a cluster. Default: every one does. */
  readonly counts?: (cluster: string, policy: CompiledPolicy) => boolean;
}

/** Names that restrict a comparison to clusters, or take clusters and regions away. */
export interface NamedParts extends Pick<FleetState, 'withoutClusters' | 'withoutRegions'> {
  /** Clusters that are compared; empty for all. */
  readonly clusters: readonly string[];
}

/** A name that does not exist, with the existing ones, sorted. */
export interface UnknownName {
  readonly part: keyof NamedParts;
  readonly name: string;
  readonly known: readonly string[];
}

/** Finds the first name that does not exist, as a comparison with it would look at nothing. */
export const unknownName = (named: NamedParts, before: PolicySet, after: PolicySet): UnknownName | undefined => {
  const clustersOf = ({ clusters }: PolicySet): readonly string[] => clusters.map(({ document }) => document.metadata.name);
  const parts: readonly (readonly [keyof NamedParts, readonly string[]])[] = [
    ['clusters', [...clustersOf(before), ...clustersOf(after)]],
    ['withoutClusters', clustersOf(after)],
    ['withoutRegions', after.clusters.flatMap(({ document }) => document.spec.regions)],
  ];
  for (const [part, all] of parts) {
    const known = new Set(all);
    const name = named[part].find((each) => !known.has(each));
    if (name !== undefined) return { part, name, known: [...known].sort(byText) };
  }
  return undefined;
};

/** Rules of one list of compiled policies. */
export interface RuleList {
  readonly rules: readonly Rule[];
  readonly match: (namespace: string) => readonly Rule[];
}

/** State of a cluster on one side of a comparison. */
export interface ClusterState {
  /** Digest of its compiled policies. */
  readonly digest: string;
  readonly list: RuleList;
  /** Regions in which it has nodes; none if it is lost, or not registered. */
  readonly regions: readonly string[];
  /** Whether its registration names the provider of its nodes. */
  readonly hasProvider: boolean;
}

/**
 * Clusters with the same policies and regions on both sides, all or none of which name a provider.
 */
export interface ClusterGroup {
  readonly clusters: string[];
  readonly before: ClusterState;
  readonly after: ClusterState;
}

/** Clusters by name. */
export type Fleet = ReadonlyMap<string, ClusterState>;

type PolicyList = Pick<CompiledCluster, 'policies' | 'digest'>;

const NO_POLICIES: PolicyList = { policies: [], digest: '' };

/** The policies of a cluster that count. */
const countedOf = ({ cluster, ...list }: CompiledCluster, counts: FleetState['counts']): PolicyList => {
  if (counts === undefined) return list;
  const policies = list.policies.filter((policy) => counts(cluster, policy));
  return { policies, digest: digestOfPolicies(policies) };
};

/** Creates a reader that makes the rules of each list once, as clusters share lists. */
const createListReader = (atMs: number) => {
  const known = new Map<string, RuleList>();
  return (policies: readonly CompiledPolicy[], digest: string): RuleList => {
    const rules = known.has(digest) ? [] : rulesOf(policies, atMs);
    const list = known.get(digest) ?? { rules, match: createMatcher(rules, ({ target }) => target) };
    known.set(digest, list);
    return list;
  };
};

/** State of a cluster in a commit. */
export interface CommittedCluster extends Pick<ClusterState, 'digest' | 'regions' | 'hasProvider'> {
  /** Compiled policies that count. */
  readonly policies: readonly CompiledPolicy[];
}

/** The clusters that a commit registers, by name. */
export const committedClusters = ({ set, counts }: Pick<FleetState, 'set' | 'counts'>): ReadonlyMap<string, CommittedCluster> => {
  const compiled = compileFleet(set);
  return new Map(
    set.clusters.map(({ document: { metadata, spec } }) => {
      const cluster = compiled.get(metadata.name);
      const list = cluster === undefined ? NO_POLICIES : countedOf(cluster, counts);
      return [metadata.name, { ...list, regions: spec.regions.toSorted(byText), hasProvider: spec.provider !== undefined }];
    }),
  );
};

/** The clusters of a fleet, by name. */
export const openFleet = ({ atMs, withoutClusters, withoutRegions, ...commit }: FleetState): Fleet => {
  const readList = createListReader(atMs);
  const lost = new Set(withoutClusters);
  return new Map(
    [...committedClusters(commit)].map(([name, { policies, digest, regions, hasProvider }]) => {
      const left = lost.has(name) ? [] : regions.filter((region) => !withoutRegions.includes(region));
      return [name, { digest, list: readList(policies, digest), regions: left, hasProvider }];
    }),
  );
};

/**
 * SHA-256 (hex) of the policies, regions and providers of clusters.
 *
 * @param names names of the clusters that count. Default: all
 */
export const digestOfFleet = (fleet: ReadonlyMap<string, Omit<CommittedCluster, 'policies'>>, names?: Iterable<string>): string => {
  const counted = names && new Set(names);
  return sha256(
    canonicalJson(
      [...fleet]
        .filter(([name]) => counted?.has(name) !== false)
        .map(([name, { digest, regions, hasProvider }]) => [name, digest, regions, hasProvider] as const)
        .sort(([left], [right]) => byText(left, right)),
    ),
  );
};

/** Clusters that get other policies after a change, regardless of their regions. */
export const changedClusters = (before: Fleet, after: Fleet): readonly string[] => {
  const digestIn = (fleet: Fleet, name: string): string => fleet.get(name)?.digest ?? DIGEST_OF_NONE;
  return [...new Set([...before.keys(), ...after.keys()])].filter((name) => digestIn(before, name) !== digestIn(after, name));
};

const UNREGISTERED: ClusterState = { digest: '', list: { rules: [], match: () => [] }, regions: [], hasProvider: true };

/** Groups clusters that are compared alike. @param wanted names; undefined for all */
export const groupClusters = (before: Fleet, after: Fleet, wanted: readonly string[] | undefined): readonly ClusterGroup[] => {
  const groups = new Map<string, ClusterGroup>();
  const names = new Set(wanted ?? [...before.keys(), ...after.keys()]);
  for (const name of [...names].sort(byText)) {
    const sides = { before: before.get(name) ?? UNREGISTERED, after: after.get(name) ?? UNREGISTERED };
    const key = canonicalJson([sides.before, sides.after].map(({ digest, regions, hasProvider }) => [digest, regions, hasProvider]));
    const group = groups.get(key) ?? { clusters: [], ...sides };
    group.clusters.push(name);
    groups.set(key, group);
  }
  return [...groups.values()];
};
