import { compileFleet, DIGEST_OF_NONE } from '@fso/shared/compile';
import type { PolicySet } from '@fso/shared/decode';
import type { Desired, HeldCluster } from '../ledger/index.ts';
import type { RolloutInput } from './waves/index.ts';

/** A commit, compiled for every cluster that it registers. */
export interface CompiledRevision {
  readonly desired: Desired;
  /** Digests that agents have to acknowledge, by cluster. */
  readonly digests: ReadonlyMap<string, string>;
}

/**
 * Compiles a commit for each registered cluster, step ②. Pure; agents compile by the same rules.
 */
export const compileDesired = (revision: string, set: PolicySet): CompiledRevision => {
  const fleet = [...compileFleet(set)];
  return {
    desired: { revision, set, clusters: new Map(fleet.map(([cluster, compiled]) => [cluster, compiled.policies])) },
    digests: new Map(fleet.map(([cluster, compiled]) => [cluster, compiled.digest])),
  };
};

/**
 * Reads the policies of an older commit.
 *
 * @returns undefined if the clone does not have the commit, or its policies are no longer valid
 * @throws the error of a clone that cannot be read
 */
export type ReadPolicies = (revision: string) => Promise<PolicySet | undefined>;

/** Compiled commits by revision. */
export type CommitMap = ReadonlyMap<string, CompiledRevision>;

/** Digest of the policies that a commit gives a cluster; undefined if it cannot be read. */
export const digestIn = (commits: CommitMap, cluster: string, revision: string): string | undefined => {
  const commit = commits.get(revision);
  return commit && (commit.digests.get(cluster) ?? DIGEST_OF_NONE);
};

/** Returns the desired state of a commit, in which held clusters have their older commits. */
export const desiredWith = ({ desired }: CompiledRevision, commits: CommitMap, held: ReadonlyMap<string, HeldCluster>): Desired => {
  if (held.size === 0) return desired;
  const clusters = new Map(desired.clusters);
  const older = new Set<PolicySet>();
  for (const [name, { revision }] of held) {
    const commit = commits.get(revision)?.desired;
    if (commit === undefined || !clusters.has(name)) continue;
    clusters.set(name, commit.clusters.get(name) ?? []);
    older.add(commit.set);
  }
  return { ...desired, clusters, held, older: [...older] };
};

/** Input of a plan, and the commits that it refers to. */
export interface KnownFleet {
  readonly newest: CompiledRevision;
  readonly commits: CommitMap;
  readonly input: RolloutInput;
}

/** Caches the compiled commits that some cluster has or is to have. */
export class KnownCommits {
  readonly #readSet: ReadPolicies;
  #commits: CommitMap = new Map();

  constructor(read: ReadPolicies) {
    this.#readSet = read;
  }

  /** Adds a commit. @param others absent to forget all other commits */
  add(commit: CompiledRevision, others?: 'keep'): void {
    this.#commits = new Map(others === undefined ? [] : this.#commits).set(commit.desired.revision, commit);
  }

  /**
   * Returns these commits, without those that cannot be read, and forgets all others.
   *
   * @throws as {@link ReadPolicies}
   */
  async only(revisions: ReadonlySet<string>): Promise<CommitMap> {
    const commits = new Map<string, CompiledRevision>();
    for (const revision of revisions) {
      const commit = this.#commits.get(revision) ?? (await this.#read(revision));
      if (commit !== undefined) commits.set(revision, commit);
    }
    this.#commits = commits;
    return commits;
  }

  async #read(revision: string): Promise<CompiledRevision | undefined> {
    const set = await this.#readSet(revision);
    return set && compileDesired(revision, set);
  }
}
