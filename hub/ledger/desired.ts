import type { CompiledPolicy } from '@fso/shared/compile';
import type { PolicySet } from '@fso/shared/decode';
import { weakMemo } from '@fso/shared/runtime';

/**
 * The state that a commit asks of the fleet: the decoded set and the policies of each registered
 * cluster.
 */
export interface Desired {
  readonly revision: string;
  readonly set: PolicySet;
  /** Compiled policies, by cluster name: of the commit that the cluster is to have now. */
  readonly clusters: ReadonlyMap<string, readonly CompiledPolicy[]>;
  /** Clusters that wait for their wave, by name; absent: none. */
  readonly held?: ReadonlyMap<string, HeldCluster> | undefined;
  /** Policies of the commits that these have, where the newest has them no more. */
  readonly older?: readonly PolicySet[] | undefined;
}

/** A cluster that has an older commit until it is the turn of its wave. */
export interface HeldCluster {
  readonly revision: string;
  readonly wave: string;
}

/** Label `team` of the policies of a commit, by name; one without the label is absent. */
export const teamsOf: (desired: Desired) => ReadonlyMap<string, string> = weakMemo(
  ({ set }) =>
    new Map(
      set.policies.flatMap(({ document: { metadata } }) => {
        const team = metadata.labels?.['team'];
        return team === undefined ? [] : [[metadata.name, team] as const];
      }),
    ),
);
