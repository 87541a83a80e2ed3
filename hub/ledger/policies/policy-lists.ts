import { type CompiledPolicy, digestOfPolicies } from '@fso/shared/compile';
import { WeakValues, weakMemo } from '@fso/shared/runtime';
import type { ListedPolicy } from '@fso/shared/status';
import type { ClusterRecord, Desired } from '../types.ts';
import { ClusterPolicies } from './cluster-policies.ts';
import { type ListedNames, listOf, PolicyList } from './policy-list.ts';

/** Commits whose lists are held though no cluster has them. */
const COMMITS = 3;
/** Lists that are held until the reports that name them are read by them. */
const HELD = 256;

const digestOf = weakMemo((policies: readonly CompiledPolicy[]) => digestOfPolicies(policies));

/** A list that was not known before, and one that it differs little from, if there is one. */
export interface NewList {
  readonly list: PolicyList;
  readonly base: PolicyList | undefined;
}

/** The list that a cluster has, if it is known. */
export const listIn = ({ policies }: ClusterRecord): PolicyList | undefined =>
  policies instanceof ClusterPolicies ? policies.list : undefined;

/** Names of the clusters of whose list more is known now. */
export const findRelisted = (clusters: readonly ClusterRecord[], lists: PolicyLists): readonly string[] =>
  clusters.flatMap((record) => {
    const list = record.baseline === null ? undefined : lists.get(record.baseline.list);
    return list === undefined || list === listIn(record) ? [] : [record.name];
  });

const isAscending = (names: ListedNames): boolean => names.every(([name], at) => at === 0 || (names[at - 1]?.[0] ?? '') < name);

/** Lists that this process knows, by digest: those of the last commits, and those that a record holds. */
export class PolicyLists {
  readonly #known = new WeakValues<PolicyList>();
  /** Entries by digest and commit. */
  readonly #entries = new WeakValues<ListedPolicy>();
  /** Lists of the last commits by cluster, the newest last. */
  #commits: readonly ReadonlyMap<string, PolicyList>[] = [];
  #held: readonly PolicyList[] = [];
  /** Policies of the newest commit and of the lists that are held, by name and digest; undefined: they have changed. */
  #index: ReadonlyMap<string, ListedPolicy> | undefined;
  /** List of a cluster that has no policies. */
  readonly #empty = new PolicyList(digestOfPolicies([]), []);

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

  /** @returns the list of that digest: the one that was known first, unless it was named by an agent and the other is not */
  add(list: PolicyList): PolicyList {
    const known = this.#known.get(list.digest);
    if (known !== undefined && (!known.isNamed || list.isNamed)) return known;
    this.#known.set(list.digest, list);
    return list;
  }

  /** Digests of the lists that some clusters have or may come to have: of the last commits, and those that are held; undefined: no commit is known yet. */
  keptFor(clusters: readonly ClusterRecord[]): ReadonlySet<string> | undefined {
    if (this.#commits.length === 0) return undefined;
    const lists = [...this.#held, ...this.#commits.flatMap((commit) => [...commit.values()])];
    return new Set([...lists.map(({ digest }) => digest), ...clusters.flatMap(({ baseline }) => baseline?.list ?? [])]);
  }

  /** A list that could not be stored is one that a later commit brings again. */
  forget(list: PolicyList): void {
    if (this.#known.get(list.digest) === list) this.#known.delete(list.digest);
  }

  /** Holds a list for a while: until then others must hold it. @returns the list */
  hold(list: PolicyList): PolicyList {
    if (this.#held.at(-1) === list) return list;
    this.#held = [...this.#held.filter((other) => other !== list), list].slice(-HELD);
    this.#index = undefined;
    return list;
  }

  /**
   * Takes a list that an agent has named. Policies that neither the newest commit nor a list that is held has are left out of it.
   *
   * @returns undefined: the digest is not theirs, or they are no list
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
    // More may be known of it than when it was named before.
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
   * Takes the lists of a commit. Lists of which only a part is known are known no more: of them more may be known now, and their agents are asked
   * again.
   *
   * @param listNow the list that a cluster has
   * @returns those that were not known
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
      // What clusters of other placements get is often much the same.
      if (list !== known) added.push({ list, base: base ?? added[0]?.list });
      lists.set(cluster, list);
    }
    this.#commits = [...this.#commits, lists].slice(-COMMITS);
    return added;
  }
}
