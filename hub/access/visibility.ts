import type { ManagedClusterDocument, PolicyReport, PolicyScopeSelector, RoleGrant, SovereignPolicyDocument } from '@fso/shared/api';
import { matchesNamespace } from '@fso/shared/compile';
import { matchesSelector, type PlacementTest, placementTest, regionsOf } from '@fso/shared/decode';
import type { RegionResolver } from '@fso/shared/regions';
import type { Desired } from '../ledger/index.ts';

/** Facts of a policy by which grants select it. */
interface PolicyFacts {
  readonly key: string;
  /**
   * Target namespaces in Git, and as a cluster has and reports them; a policy that moves from one
   * namespace to another has several.
   */
  readonly targets: readonly string[];
  /** Labels in Git; undefined: the policy is not in Git. */
  readonly labels: Readonly<Record<string, string>> | undefined;
}

type Targeting = Pick<PolicyReport, 'targetNamespace'>;

type PolicyTest = (policy: PolicyFacts) => boolean;

/**
 * Whether one of the globs contains a text, which may be a glob itself: as texts, globs contain
 * each other as the sets do that they stand for.
 */
const matchesAny = (globs: readonly string[], text: string): boolean => globs.some((glob) => matchesNamespace(glob, text));

/** @returns undefined: it selects every policy */
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
  /** Namespaces, as globs, to which the targets of the policies are bound. */
  readonly namespaces: readonly string[];
}

const testOf = ({ clusters, policies }: RoleGrant, regions: RegionResolver): GrantTest => ({
  selectsCluster: clusters && placementTest(clusters, regions, true),
  selectsPolicy: policyTest(policies),
  namespaces: policies?.targetNamespaces ?? [],
});

/** The grants that mean a cluster; one object for all clusters that the same grants mean. */
export class GrantSet {
  readonly #tests: readonly GrantTest[];
  /**
   * Findings by key, for the targets that a cluster reported last; other clusters rarely report
   * others.
   */
  readonly #reported = new Map<string, { readonly targets: string; readonly isSeen: boolean }>();

  constructor(tests: readonly GrantTest[]) {
    this.#tests = tests;
  }

  /** Whether no grant selects the cluster. For such a caller it does not exist. */
  get isEmpty(): boolean {
    return this.#tests.length === 0;
  }

  /** A grant is for every policy, and so for the cluster itself. */
  get seesAllPolicies(): boolean {
    return this.#tests.some(({ selectsPolicy }) => selectsPolicy === undefined);
  }

  /** Whether a grant is for policies of these namespaces, whatever their names. */
  seesNamespaces(target: string): boolean {
    return this.seesAllPolicies || this.#tests.some(({ namespaces }) => matchesAny(namespaces, target));
  }

  sees(policy: PolicyFacts): boolean {
    return this.#tests.some(({ selectsPolicy }) => selectsPolicy?.(policy) ?? true);
  }

  /**
   * Caches {@link sees} for all clusters that report the same targets of a policy.
   *
   * @param facts makes the facts of the policy
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
 * registered has neither regions nor labels to be selected by, and no commit proves its name: no
 * `clusters` of a grant selects it.
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

  /** The grants that mean a cluster. */
  at(cluster: string): GrantSet {
    const known = this.#atCluster.get(cluster);
    if (known !== undefined) return known;
    const registration = this.#registrations.get(cluster);
    const set = this.#setOf(this.#numbersAt(registration));
    // What is asked for by name alone must not fill the memory.
    if (registration !== undefined) this.#atCluster.set(cluster, set);
    return set;
  }

  /**
   * Whether a grant for all clusters shows a policy: also one that is for no cluster yet, and what
   * is said of all clusters together.
   */
  seesEverywhere(key: string): boolean {
    return this.seesPolicy(this.#setOf(this.#numbersAt(undefined)), key);
  }

  /**
   * Whether a policy is seen in a cluster.
   *
   * @param said what the cluster has and says of it, if anything: each may have another target than
   * the policy in Git
   */
  seesPolicy(set: GrantSet, key: string, ...said: readonly (Targeting | undefined)[]): boolean {
    if (set.isEmpty) return false;
    if (set.seesAllPolicies) return true;
    const targets = [...new Set(said.flatMap((each) => each?.targetNamespace ?? []))];
    if (targets.length === 0) return set.sees(this.#factsOf(key, targets));
    return set.seesReported(key, targets.join(' '), () => this.#factsOf(key, targets));
  }

  /**
   * Lists the grants that select each cluster, and each policy in Git. A view of the fleet ends
   * when an entry changes or goes.
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

  #factsOf(key: string, said: readonly string[]): PolicyFacts {
    const inGit = this.#policies.get(key);
    const targets = inGit === undefined ? said : [inGit.spec.targetNamespace, ...said];
    return { key, targets, labels: inGit && (inGit.metadata.labels ?? {}) };
  }
}
