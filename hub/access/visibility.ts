import type { ManagedClusterDocument, PolicyReport, PolicyScopeSelector, RoleGrant, SovereignPolicyDocument } from '@fso/shared/api';
import { matchesNamespace } from '@fso/shared/compile';
import { matchesSelector, type PlacementTest, placementTest, regionsOf } from '@fso/shared/decode';
import type { RegionResolver } from '@fso/shared/regions';
import type { Desired } from '../ledger/index.ts';

/** Facts of a policy by which grants select it. */
interface PolicyFacts {
  readonly key: string;
  /**
   * Target namespaces in Git, and as a cluster has and reports them. A policy that moves between
   * namespaces has several.
   */
  readonly targets: readonly string[];
  /** Labels in Git; undefined: the policy is not in Git. */
  readonly labels: Readonly<Record<string, string>> | undefined;
}

type Targeting = Pick<PolicyReport, 'targetNamespace'>;

type PolicyTest = (policy: PolicyFacts) => boolean;

/**
 * Whether one of the globs contains a text. The text may itself be a glob, because matching globs
 * as texts reflects the inclusion of the sets that they match.
 */
const matchesAny = (globs: readonly string[], text: string): boolean => globs.some((glob) => matchesNamespace(glob, text));

/** @returns undefined if it selects every policy */
const policyTest = (selector: PolicyScopeSelector | undefined): PolicyTest | undefined => {
  if (selector === undefined) return undefined;
  const { policyNames, targetNamespaces, policySelector } = selector;
  return ({ key, targets, labels }) =>
    (policyNames === undefined || matchesAny(policyNames, key)) &&
    (targetNamespaces === undefined || (targets.length > 0 && targets.every((target) => matchesAny(targetNamespaces, target)))) &&
    (policySelector === undefined || (labels !== undefined && matchesSelector(policySelector, labels)));
};

interface GrantTest {
  /** undefined: every cluster, registered or not. */
  readonly selectsCluster: PlacementTest | undefined;
  readonly selectsPolicy: PolicyTest | undefined;
  /** Globs of the namespaces to which the targets of policies are restricted. */
  readonly namespaces: readonly string[];
}

const testOf = ({ clusters, policies }: RoleGrant, regions: RegionResolver): GrantTest => ({
  selectsCluster: clusters && placementTest(clusters, regions, true),
  selectsPolicy: policyTest(policies),
  namespaces: policies?.targetNamespaces ?? [],
});

/** Grants that select a cluster. Clusters with the same grants share one object. */
export class GrantSet {
  readonly #tests: readonly GrantTest[];
  /**
   * Cached results by key, for the targets that a cluster reported last. Other clusters rarely
   * report different targets.
   */
  readonly #reported = new Map<string, { readonly targets: string; readonly isSeen: boolean }>();

  constructor(tests: readonly GrantTest[]) {
    this.#tests = tests;
  }

  /** Whether no grant selects the cluster, which then does not exist for the caller. */
  get isEmpty(): boolean {
    return this.#tests.length === 0;
  }

  /** Whether a grant covers every policy, and so the cluster itself. */
  get seesAllPolicies(): boolean {
    return this.#tests.some(({ selectsPolicy }) => selectsPolicy === undefined);
  }

  /** Whether a grant covers all policies of these namespaces. */
  seesNamespaces(target: string): boolean {
    return this.seesAllPolicies || this.#tests.some(({ namespaces }) => matchesAny(namespaces, target));
  }

  sees(policy: PolicyFacts): boolean {
    return this.#tests.some(({ selectsPolicy }) => selectsPolicy?.(policy) ?? true);
  }

  /**
   * Caches {@link sees} for all clusters that report the same targets of a policy.
   *
   * @param facts returns the facts of the policy
   */
  seesReported(key: string, targets: string, facts: () => PolicyFacts): boolean {
    const known = this.#reported.get(key);
    if (known?.targets === targets) return known.isSeen;
    const isSeen = this.sees(facts());
    this.#reported.set(key, { targets, isSeen });
    return isSeen;
  }
}

/**
 * Clusters and policies that grants select under one state of the repository. A cluster that is not
 * registered has no regions and labels, and no commit proves its name, so no `clusters` of a grant
 * selects it.
 */
export class Visibility {
  readonly #tests: readonly GrantTest[];
  readonly #registrations: ReadonlyMap<string, ManagedClusterDocument>;
  readonly #policies: ReadonlyMap<string, SovereignPolicyDocument>;
  readonly #atCluster = new Map<string, GrantSet>();
  readonly #sets = new Map<string, GrantSet>();

  constructor(grants: readonly RoleGrant[], desired: Desired | null) {
    const regions = regionsOf(desired?.set ?? { regionGroups: [], catalog: undefined });
    this.#tests = grants.map((grant) => testOf(grant, regions));
    this.#registrations = new Map(desired?.set.clusters.map(({ document }) => [document.metadata.name, document]));
    this.#policies = new Map(desired?.set.policies.map(({ document }) => [document.metadata.name, document]));
  }

  /** Returns the grants that select a cluster. */
  at(cluster: string): GrantSet {
    const known = this.#atCluster.get(cluster);
    if (known !== undefined) return known;
    const registration = this.#registrations.get(cluster);
    const set = this.#setOf(this.#numbersAt(registration));
    // Not cached for unregistered names: callers can ask for any number of them.
    if (registration !== undefined) this.#atCluster.set(cluster, set);
    return set;
  }

  /**
   * Whether a grant for all clusters shows a policy. This includes policies that no cluster has
   * yet, and statements about all clusters together.
   */
  seesEverywhere(key: string): boolean {
    return this.seesPolicy(this.#setOf(this.#numbersAt(undefined)), key);
  }

  /**
   * Whether a policy is visible in a cluster.
   *
   * @param reported the policy in the cluster's list and report, if any; each may have another
   * target than in Git
   */
  seesPolicy(set: GrantSet, key: string, ...reported: readonly (Targeting | undefined)[]): boolean {
    if (set.isEmpty) return false;
    if (set.seesAllPolicies) return true;
    const targets = [...new Set(reported.flatMap((each) => each?.targetNamespace ?? []))];
    if (targets.length === 0) return set.sees(this.#factsOf(key, targets));
    return set.seesReported(key, targets.join(' '), () => this.#factsOf(key, targets));
  }

  /**
   * Lists the grants that select each cluster and each policy in Git. A view of the fleet ends when
   * an entry changes or disappears.
   */
  fingerprint(): ReadonlyMap<string, string> {
    const seen = new Map<string, string>();
    for (const [name, registration] of this.#registrations) {
      const numbers = this.#numbersAt(registration);
      if (numbers.length > 0) seen.set(`cluster ${name}`, numbers.join(' '));
    }
    for (const key of this.#policies.keys()) {
      const facts = this.#factsOf(key, []);
      const numbers = this.#tests.flatMap(({ selectsPolicy }, number) => (selectsPolicy?.(facts) === true ? [number] : []));
      if (numbers.length > 0) seen.set(`policy ${key}`, numbers.join(' '));
    }
    return seen;
  }

  #numbersAt(registration: ManagedClusterDocument | undefined): readonly number[] {
    return this.#tests.flatMap(({ selectsCluster }, number) =>
      selectsCluster === undefined || (registration !== undefined && selectsCluster(registration)) ? [number] : [],
    );
  }

  #setOf(numbers: readonly number[]): GrantSet {
    const id = numbers.join(' ');
    const set = this.#sets.get(id) ?? new GrantSet(numbers.flatMap((number) => this.#tests[number] ?? []));
    this.#sets.set(id, set);
    return set;
  }

  #factsOf(key: string, reported: readonly string[]): PolicyFacts {
    const inGit = this.#policies.get(key);
    const targets = inGit === undefined ? reported : [inGit.spec.targetNamespace, ...reported];
    return { key, targets, labels: inGit && (inGit.metadata.labels ?? {}) };
  }
}
