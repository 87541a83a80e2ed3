import { type CompiledPolicy, DIGEST_OF_NONE, digestOfPolicies } from '@fso/shared/compile';
import { WeakValues, weakMemo } from '@fso/shared/runtime';
import type { ListedPolicy } from '@fso/shared/status';
import type { ClusterRecord, Desired } from '../types.ts';
import { ClusterPolicies } from './cluster-policies.ts';
import { type ListedNames, listOf, PolicyList } from './policy-list.ts';

/** Number of newest commits whose lists are kept even if no cluster has them. */
const COMMITS = 3;
/** Maximum number of lists that are kept until reports refer to them. */
const HELD = 256;

const digestOf = weakMemo((policies: readonly CompiledPolicy[]) => digestOfPolicies(policies));

/** List that was not known before, and a similar one as its base, if there is one. */
export interface NewList {
  readonly list: PolicyList;
  readonly base: PolicyList | undefined;
}

/** Returns the policy list of a cluster, if it is known. */
export const listIn = ({ policies }: ClusterRecord): PolicyList | undefined =>
  policies instanceof ClusterPolicies ? policies.list : undefined;

/**
 * Returns the names of the clusters whose policy list is better known than when their records were
 * made.
 */
export const findRelisted = (clusters: readonly ClusterRecord[], lists: PolicyLists): readonly string[] =>
  clusters.flatMap((record) => {
    const list = record.baseline === null ? undefined : lists.get(record.baseline.list);
    return list === undefined || list === listIn(record) ? [] : [record.name];
  });

const isAscending = (names: ListedNames): boolean => names.every(([name], at) => at === 0 || (names[at - 1]?.[0] ?? '') < name);

/**
 * Policy lists in memory, by digest: those of the last commits, and those that records refer to.
 */
export class PolicyLists {
  readonly #known = new WeakValues<PolicyList>();
  /** Entries by digest and commit. */
  readonly #entries = new WeakValues<ListedPolicy>();
  /** Lists of the last commits by cluster, the newest last. */
  #commits: readonly ReadonlyMap<string, PolicyList>[] = [];
  #held: readonly PolicyList[] = [];
  /**
   * Policies of the newest commit and of the kept lists, by name and digest; undefined: to be
   * computed again.
   */
  #index: ReadonlyMap<string, ListedPolicy> | undefined;
  /** List of a cluster that has no policies. */
  readonly #empty = new PolicyList(DIGEST_OF_NONE, []);

  constructor() {
    this.add(this.#empty);
  }

  get(digest: string): PolicyList | undefined {
    return this.#known.get(digest);
  }

  /** Returns one object for all equal entries. */
  readonly intern = (policy: ListedPolicy): ListedPolicy => {
    const key = `${policy.digest} ${policy.since}`;
    const known = this.#entries.get(key);
    if (known === undefined) this.#entries.set(key, policy);
    return known ?? policy;
  };

  /**
   * Adds a list.
   *
   * @returns the known list of that digest. A list of a commit replaces one that an agent named
   */
  add(list: PolicyList): PolicyList {
    const known = this.#known.get(list.digest);
    if (known !== undefined && (!known.isNamed || list.isNamed)) return known;
    this.#known.set(list.digest, list);
    return list;
  }

  /**
   * Returns the digests of the lists that clusters have or may get; undefined: no commit is known
   * yet.
   */
  keptFor(clusters: readonly ClusterRecord[]): ReadonlySet<string> | undefined {
    if (this.#commits.length === 0) return undefined;
    const lists = [...this.#held, ...this.#commits.flatMap((commit) => [...commit.values()])];
    return new Set([...lists.map(({ digest }) => digest), ...clusters.flatMap(({ baseline }) => baseline?.list ?? [])]);
  }

  /** Forgets a list that could not be stored. A later commit adds it again. */
  forget(list: PolicyList): void {
    if (this.#known.get(list.digest) === list) this.#known.delete(list.digest);
  }

  /** Keeps a list in memory for a while, until records refer to it. @returns the list */
  hold(list: PolicyList): PolicyList {
    if (this.#held.at(-1) === list) return list;
    this.#held = [...this.#held.filter((other) => other !== list), list].slice(-HELD);
    this.#index = undefined;
    return list;
  }

  /**
   * Adds a list that an agent named. Policies that are neither in the newest commit nor in a kept
   * list are left out.
   *
   * @returns undefined: the digest does not match the policies, or they are not sorted
   */
  takeListed(digest: string, named: ListedNames): PolicyList | undefined {
    const known = this.get(digest);
    if (known?.isWhole) return known;
    if (!isAscending(named) || digestOfPolicies(named.map(([name, of]) => ({ name, digest: of }))) !== digest) return undefined;
    this.#index ??= this.#indexed();
    const policies: ListedPolicy[] = [];
    const bits = new Map<string, number>();
    for (const [bit, [name, of]] of named.entries()) {
      const policy = this.#index.get(`${name} ${of}`);
      if (policy === undefined) continue;
      policies.push(policy);
      bits.set(name, bit);
    }
    const list = new PolicyList(digest, policies, { size: named.length, bits });
    // More of its policies may be known than before.
    this.#known.set(digest, list);
    return this.hold(list);
  }

  #indexed(): ReadonlyMap<string, ListedPolicy> {
    const newest = this.#commits.at(-1)?.values() ?? [];
    const index = new Map<string, ListedPolicy>();
    for (const list of new Set([...this.#held, ...newest]))
      for (const policy of list.policies) index.set(`${policy.name} ${policy.digest}`, policy);
    return index;
  }

  /**
   * Adds the lists of a commit. Partly known lists are forgotten: with this commit more of them may
   * be known, so their agents are asked again.
   *
   * @param listNow returns the current list of a cluster
   * @returns the lists that were not known
   */
  takeCommit({ revision, clusters }: Desired, listNow: (cluster: string) => PolicyList | undefined): readonly NewList[] {
    const added: NewList[] = [];
    const before = this.#commits.at(-1);
    const lists = new Map<string, PolicyList>();
    for (const part of this.#held.filter(({ isWhole }) => !isWhole)) this.forget(part);
    this.#held = this.#held.filter(({ isWhole }) => isWhole);
    this.#index = undefined;
    for (const [cluster, policies] of clusters) {
      const digest = digestOf(policies);
      const known = this.get(digest);
      const base = before?.get(cluster) ?? listNow(cluster);
      const list = known?.isNamed === false ? known : this.add(listOf({ digest, policies, revision, intern: this.intern }, base));
      // Lists of clusters with other placements often differ little.
      if (list !== known) added.push({ list, base: base ?? added[0]?.list });
      lists.set(cluster, list);
    }
    this.#commits = [...this.#commits, lists].slice(-COMMITS);
    return added;
  }
}
