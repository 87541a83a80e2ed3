import { byText } from '@fso/shared/encoding';
import { weakMemo } from '@fso/shared/runtime';
import { countExpired, isGlobPolicy, type ListedPolicy, listPolicy } from '@fso/shared/status';
import type { DesiredPolicy } from '../enforce/index.ts';
import type { AcceptedPolicies } from '../observe/index.ts';

const listedOf = weakMemo(({ policy, since }: DesiredPolicy) => listPolicy(policy, since));

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
