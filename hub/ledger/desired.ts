import type { CompiledPolicy } from '@fso/shared/compile';
import type { PolicySet } from '@fso/shared/decode';
import { weakMemo } from '@fso/shared/runtime';

/**
 * Desired state of the fleet by a commit: the decoded set and the policies of each registered
 * cluster.
 */
export interface Desired {
  readonly revision: string;
  readonly set: PolicySet;
  /**
   * Compiled policies by cluster name. A cluster that waits for its wave has those of an older
   * commit.
   */
  readonly clusters: ReadonlyMap<string, readonly CompiledPolicy[]>;
  /** Clusters that wait for their wave, by name; undefined: none. */
  readonly held?: ReadonlyMap<string, HeldCluster> | undefined;
  /**
   * Policy sets of the older commits in `held`, for policies that the newest commit no longer has.
   */
  readonly older?: readonly PolicySet[] | undefined;
}

/** Cluster that keeps an older commit until the turn of its wave. */
export interface HeldCluster {
  readonly revision: string;
  readonly wave: string;
}

/**
 * Label `team` of each policy of a commit, by policy name. Policies without the label are left out.
 */
export const teamsOf: (desired: Desired) => ReadonlyMap<string, string> = weakMemo(
  ({ set }) =>
    new Map(
      set.policies.flatMap(({ document: { metadata } }) => {
        const team = metadata.labels?.['team'];
        return team === undefined ? [] : [[metadata.name, team] as const];
      }),
    ),
);
