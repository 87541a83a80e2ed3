import type { RoleGrant } from '@fso/shared/api';
import type { CompiledPolicy } from '@fso/shared/compile';
import { groupOf, type PolicySet } from '@fso/shared/decode';
import { weakMemo, weakMemo2 } from '@fso/shared/runtime';
import { type GrantSet, Visibility } from '../../access/index.ts';
import type { ClusterRecord, Desired } from '../../ledger/index.ts';
import type { RolloutRecord } from '../../rollout/index.ts';
import { scopeRollout, withholdClusterReport, withholdLabels, withholdNack } from './withhold.ts';

type Policies = ClusterRecord['policies'];

/**
 * The part of the fleet that grants let see under one state of the repository. What is made of a value that is replaced and never changed is
 * made once, so that the read model keeps telling by identity what is new. Pure.
 */
export class ScopeState {
  readonly visibility: Visibility;
  /** What of the repository is seen; null: nothing is read yet. */
  readonly desired: Desired | null;
  /** See {@link Visibility.fingerprint}. */
  readonly fingerprint: ReadonlyMap<string, string>;
  readonly #seenPolicies: ReadonlySet<string>;
  readonly #meant = weakMemo2((set: GrantSet, list: readonly CompiledPolicy[]): readonly CompiledPolicy[] =>
    set.seesAllPolicies ? list : list.filter(({ name }) => this.visibility.seesPolicy(set, name)),
  );
  readonly #reported = weakMemo2(
    (set: GrantSet, policies: Policies): Policies =>
      set.seesAllPolicies
        ? policies
        : new Map(
            [...policies].flatMap(([key, report]) =>
              this.visibility.seesPolicy(set, key, report) ? [[key, this.#withoutLabels(report)] as const] : [],
            ),
          ),
  );
  readonly #withoutLabels = weakMemo(withholdLabels);
  readonly #record = weakMemo((record: ClusterRecord): ClusterRecord | undefined => {
    const set = this.visibility.at(record.name);
    if (set.isEmpty) return undefined;
    return {
      ...record,
      nack: record.nack && withholdNack(record.nack),
      report: record.report && withholdClusterReport(record.report, set.seesAllPolicies),
      policies: this.#reported(set, record.policies),
      // How many of them would be seen is not known.
      notKept: set.seesAllPolicies ? record.notKept : null,
    };
  });
  readonly #rollout = weakMemo((rollout: RolloutRecord) =>
    scopeRollout(rollout, { seesCluster: (name) => this.seesCluster(name), seesPolicy: (name) => this.#seenPolicies.has(name) }),
  );

  constructor(grants: readonly RoleGrant[], whole: Desired | null) {
    this.visibility = new Visibility(grants, whole);
    this.desired = whole && this.#desiredOf(whole);
    this.fingerprint = this.visibility.fingerprint();
    this.#seenPolicies = new Set(this.desired?.set.policies.map(({ document }) => document.metadata.name));
  }

  seesCluster(name: string): boolean {
    return !this.visibility.at(name).isEmpty;
  }

  /** What is seen of a cluster; undefined: it does not exist. */
  record(record: ClusterRecord): ClusterRecord | undefined {
    return this.#record(record);
  }

  /** The way of a commit, as far as it is seen. */
  rollout(rollout: RolloutRecord): RolloutRecord {
    return this.#rollout(rollout);
  }

  #desiredOf({ revision, set, clusters }: Desired): Desired {
    const seen = new Map(
      [...clusters].flatMap(([name, policies]) => {
        const at = this.visibility.at(name);
        return at.isEmpty ? [] : [[name, this.#meant(at, policies)] as const];
      }),
    );
    return { revision, set: this.#setOf(set, seen), clusters: seen };
  }

  /** Policies that a cluster that is seen is meant to have, and those that a grant for all clusters means; the groups that these name. */
  #setOf({ policies, clusters, regionGroups }: PolicySet, seen: Desired['clusters']): PolicySet {
    const placed = new Set([...new Set(seen.values())].flatMap((list) => list.map(({ name }) => name)));
    const everywhere = this.visibility.everywhere();
    const kept = policies.filter(
      ({ document: { metadata } }) => placed.has(metadata.name) || this.visibility.seesPolicy(everywhere, metadata.name),
    );
    const named = new Set(kept.flatMap(({ document }) => document.spec.allowedRegions.map(groupOf)));
    return {
      policies: kept,
      scopes: [],
      clusters: clusters.filter(({ document }) => seen.has(document.metadata.name)),
      regionGroups: regionGroups.filter(({ document }) => named.has(document.metadata.name)),
      rollout: undefined,
    };
  }
}
