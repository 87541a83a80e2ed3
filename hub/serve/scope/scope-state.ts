import type { PolicyReport, RoleGrant } from '@fso/shared/api';
import type { CompiledPolicy } from '@fso/shared/compile';
import { groupsNamed, type PolicySet } from '@fso/shared/decode';
import { weakMemo, weakMemo2 } from '@fso/shared/runtime';
import { isWhole, type NamedPolicy } from '@fso/shared/status';
import { type GrantSet, Visibility } from '../../access/index.ts';
import { ClusterPolicies, type ClusterRecord, type Desired, type NamedPolicies, type PolicyList } from '../../ledger/index.ts';
import type { RolloutRecord } from '../../rollout/index.ts';
import { NameSets } from './name-sets.ts';
import { scopeRollout, withholdClusterReport, withholdLabels, withholdNack } from './withhold.ts';

type Policies = ClusterRecord['policies'];

/**
 * Part of the fleet that is visible by grants, for one state of the repository. Results for
 * immutable values are memoized, so that the read model can detect changes by identity. Pure.
 */
export class ScopeState {
  readonly visibility: Visibility;
  /** Visible part of the desired state; null before the repository was read. */
  readonly desired: Desired | null;
  /** See {@link Visibility.fingerprint}. */
  readonly fingerprint: ReadonlyMap<string, string>;
  readonly #seenPolicies: ReadonlySet<string>;
  readonly #meant = weakMemo2((set: GrantSet, list: readonly CompiledPolicy[]): readonly CompiledPolicy[] =>
    set.seesAllPolicies ? list : list.filter(({ name }) => this.visibility.seesPolicy(set, name)),
  );
  /** Returns the visible policies of a list, ignoring what clusters report. */
  readonly #listed = weakMemo2(
    (set: GrantSet, list: PolicyList): ReadonlySet<string> =>
      this.#names.get(list.policies.flatMap((policy) => (this.visibility.seesPolicy(set, policy.name, policy) ? [policy.name] : []))),
  );
  readonly #reported = weakMemo2((set: GrantSet, policies: Policies): Policies => {
    if (set.seesAllPolicies) return policies;
    if (!(policies instanceof ClusterPolicies)) return this.#seenOf(set, policies, policies);
    const { list, baseline, named } = policies;
    const seen = this.#seenOf(set, policies, named);
    return new ClusterPolicies(list, baseline, seen, this.#seenNames(this.#listed(set, list), named, seen));
  });
  readonly #record = weakMemo((record: ClusterRecord): ClusterRecord | undefined => {
    const set = this.visibility.at(record.name);
    if (set.isEmpty) return undefined;
    const policies = this.#reported(set, record.policies);
    return {
      ...record,
      nack: record.nack && withholdNack(record.nack),
      report: record.report && withholdClusterReport(record.report, policies, set.seesAllPolicies),
      // The baseline reveals the namespaces of the whole cluster, and how many policies have none.
      baseline: null,
      policies,
      // It is unknown how many of them would be visible.
      notKept: set.seesAllPolicies ? record.notKept : null,
    };
  });
  readonly #rollout = weakMemo((rollout: RolloutRecord) =>
    scopeRollout(rollout, { seesCluster: (name) => this.seesCluster(name), seesPolicy: (name) => this.#seenPolicies.has(name) }),
  );

  readonly #names: NameSets;

  /** @param names interned sets, shared with previous states */
  constructor(grants: readonly RoleGrant[], whole: Desired | null, names = new NameSets()) {
    this.#names = names;
    this.visibility = new Visibility(grants, whole);
    this.desired = whole && this.#desiredOf(whole);
    this.fingerprint = this.visibility.fingerprint();
    this.#seenPolicies = new Set(this.desired?.set.policies.map(({ document }) => document.metadata.name));
  }

  seesCluster(name: string): boolean {
    return !this.visibility.at(name).isEmpty;
  }

  /**
   * Whether a cluster's report of a policy is visible: by its target in Git, in the cluster's list,
   * and in the report.
   */
  seesReported(set: GrantSet, key: string, policies: Policies | undefined): boolean {
    const listed = policies instanceof ClusterPolicies ? policies.list.get(key) : undefined;
    return this.visibility.seesPolicy(set, key, listed, policies?.get(key));
  }

  /** Returns the visible part of a cluster; undefined: it does not exist in this scope. */
  record(record: ClusterRecord): ClusterRecord | undefined {
    return this.#record(record);
  }

  /** Returns the visible part of a commit's rollout. */
  rollout(rollout: RolloutRecord): RolloutRecord {
    return this.#rollout(rollout);
  }

  #seenOf<T extends NamedPolicy>(set: GrantSet, policies: Policies, named: ReadonlyMap<string, T>): Map<string, T | PolicyReport> {
    const seen = [...named].filter(([key]) => this.seesReported(set, key, policies));
    return new Map(seen.map(([key, each]) => [key, isWhole(each) ? withholdLabels(each) : each]));
  }

  /**
   * Returns the visible policies of a list. A policy with a hidden report is left out, because it
   * would appear as conforming.
   */
  #seenNames(listed: ReadonlySet<string>, reported: NamedPolicies, seen: NamedPolicies): ReadonlySet<string> {
    const hidden = new Set([...reported.keys()].filter((key) => listed.has(key) && !seen.has(key)));
    return hidden.size === 0 ? listed : this.#names.get([...listed].filter((name) => !hidden.has(name)));
  }

  #desiredOf({ revision, set, clusters, held, older = [] }: Desired): Desired {
    const seen = new Map(
      [...clusters].flatMap(([name, policies]) => {
        const at = this.visibility.at(name);
        return at.isEmpty ? [] : [[name, this.#meant(at, policies)] as const];
      }),
    );
    const inScope = { revision, set: this.#setOf(set, seen), clusters: seen };
    if (held === undefined) return inScope;
    const waiting = new Map([...held].filter(([name]) => this.seesCluster(name)));
    return { ...inScope, held: waiting, older: older.map((each) => this.#setOf(each, seen)) };
  }

  /**
   * Returns the visible part of a policy set: policies of visible clusters, policies selected by a
   * grant for all clusters, and the region groups that they use, directly or indirectly.
   */
  #setOf(whole: PolicySet, seen: Desired['clusters']): PolicySet {
    const { policies, clusters, regionGroups, catalog } = whole;
    const placed = new Set([...new Set(seen.values())].flatMap((list) => list.map(({ name }) => name)));
    const kept = policies.filter(
      ({ document: { metadata } }) => placed.has(metadata.name) || this.visibility.seesEverywhere(metadata.name),
    );
    const references = kept.flatMap(({ document }) => document.spec.allowedRegions);
    const named = groupsNamed([...new Set(references)], whole);
    return {
      policies: kept,
      scopes: [],
      clusters: clusters.filter(({ document }) => seen.has(document.metadata.name)),
      regionGroups: regionGroups.filter(({ document }) => named.has(document.metadata.name)),
      catalog,
      rollout: undefined,
    };
  }
}
