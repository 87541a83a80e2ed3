import type { CompiledPolicy } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import { weakMemo } from '@fso/shared/runtime';
import { countExpired, isGlobPolicy, type ListedPolicy, listPolicy } from '@fso/shared/status';

/** One policy as the accepted commit has it. */
export interface AcceptedPolicy {
  readonly policy: CompiledPolicy;
  /** Commit since which it reads as it does. */
  readonly since: string;
}

/** The policies of the accepted commit, and how far they stand in the cluster. */
export interface AcceptedPolicies {
  /** Digest of all of them; see CompiledCluster. */
  readonly digest: string;
  /** Policies by key; another object for another commit. */
  readonly policies: ReadonlyMap<string, AcceptedPolicy>;
  /** `metadata.generation` of the accepted content in the cluster; undefined: it is not there now. */
  readonly generationOf: (key: string) => number | undefined;
  /** Another number as soon as `generationOf` may answer otherwise. */
  readonly version: number;
  /** Whether another commit is being written over this one. */
  readonly isChanging: boolean;
}

const listedOf = weakMemo(({ policy, since }: AcceptedPolicy) => listPolicy(policy, since));

/** The accepted policies, as far as what is expected of them depends on it. */
export class AcceptedList {
  /** Policies in the order of their bits. */
  readonly policies: readonly ListedPolicy[];
  readonly globs: readonly ListedPolicy[];
  readonly #known: ReadonlyMap<string, ListedPolicy>;

  /** @param before policies that read as in that list keep their entry */
  constructor(policies: AcceptedPolicies['policies'], before: AcceptedList | undefined) {
    const sorted = [...policies.values()].sort((a, b) => byText(a.policy.name, b.policy.name));
    this.policies = sorted.map((accepted) => {
      const { policy, since } = accepted;
      const known = before?.get(policy.name);
      return known?.digest === policy.digest && known.since === since ? known : listedOf(accepted);
    });
    this.#known = new Map(this.policies.map((policy) => [policy.name, policy]));
    this.globs = this.policies.filter(isGlobPolicy);
  }

  get(key: string): ListedPolicy | undefined {
    return this.#known.get(key);
  }

  has(key: string): boolean {
    return this.#known.has(key);
  }

  /** Number of them that have expired. */
  countExpired(asOf: Date): number {
    return countExpired(this.policies, asOf.getTime());
  }
}
