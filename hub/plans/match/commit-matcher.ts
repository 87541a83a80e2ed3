import type { RoleGrant } from '@fso/shared/api';
import type { PolicySet } from '@fso/shared/decode';
import {
  type CommittedCluster,
  committedClusters,
  digestOfFleet,
  namedClusters,
  type PlanOutcome,
  type StoredPlan,
} from '@fso/shared/effects';
import { weakMemo, weakMemo2 } from '@fso/shared/runtime';
import type { FleetState, KeyedReader } from '../../ledger/index.ts';
import { readRollouts } from '../../rollout/index.ts';
import { planOf, type Stored } from '../stored-plans.ts';
import { digestOfScope, visibleSide } from '../visible-sides.ts';
import { ChangedNamespaces, type IsChanged } from './changed-namespaces.ts';

/** Result of a comparison of a stored plan with the commit in force. */
export interface PlanMatch extends Pick<PlanOutcome, 'state' | 'revision'> {
  /** Clusters that the plan names, by name; none unless the state is InForce. */
  readonly clusters: readonly string[];
  /** Finds the namespaces of a cluster whose denying rule the plan changes. */
  readonly changedIn: (cluster: string) => IsChanged;
}

/** State of the hub that a plan is compared with. */
interface MatchInput {
  readonly ledger: Pick<FleetState, 'desired'> & { readonly records: KeyedReader };
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

const clustersOf = ({ effects, notLookedAt }: StoredPlan): readonly string[] => namedClusters(effects, [{ clusters: notLookedAt }]);

/** Compares what stored plans predict for the clusters that they name with what a commit gives. */
export class CommitMatcher {
  /** Digest of what the caller sees; null if the caller sees everything. */
  readonly scope: string | null;
  /** Whether a commit gives the clusters of a plan what was planned. */
  readonly matches: (commit: PolicySet, stored: Stored) => boolean;
  /** Clusters of a commit by name, as far as the caller sees them. */
  readonly #clustersIn: (commit: PolicySet) => ReadonlyMap<string, CommittedCluster>;

  /** @param grants undefined if the caller sees everything */
  constructor(grants: readonly RoleGrant[] | undefined) {
    this.scope = grants === undefined ? null : digestOfScope(grants);
    this.#clustersIn = weakMemo((commit) => committedClusters(visibleSide(commit, grants)));
    this.matches = weakMemo2((commit, stored) => this.#matches(commit, stored));
  }

  /** Compares a plan that this caller sees with the commit in force. */
  async match(stored: Stored, plan: StoredPlan, { ledger, nowMs }: MatchInput): Promise<PlanMatch> {
    const desired = await ledger.desired();
    const none = { revision: null, clusters: [], changedIn: () => () => false };
    if (desired === null || !this.#isComparable(stored)) return { state: 'NotComparable', ...none };
    if (this.matches(desired.set, stored)) {
      const changed = new ChangedNamespaces(plan, nowMs);
      const committed = this.#clustersIn(desired.set);
      return {
        state: 'InForce',
        revision: desired.revision,
        clusters: clustersOf(plan),
        changedIn: (cluster) => changed.in(cluster, committed.get(cluster)?.policies ?? []),
      };
    }
    const naming = readRollouts(ledger.records).find(({ commit, problems }) => problems === null && commit.accepts === plan.id);
    return naming === undefined ? { state: 'NotInForce', ...none } : { ...none, state: 'Differs', revision: naming.commit.revision };
  }

  /** Whether a plan is of the caller's scope, and records what a commit has to give. */
  #isComparable(stored: Stored): boolean {
    return stored.scope === this.scope && planOf(stored)?.after !== undefined;
  }

  #matches(commit: PolicySet, stored: Stored): boolean {
    const plan = this.#isComparable(stored) ? planOf(stored) : null;
    if (plan === null) return false;
    return plan.after === digestOfFleet(this.#clustersIn(commit), clustersOf(plan));
  }
}
