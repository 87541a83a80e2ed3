import { isDeepStrictEqual } from 'node:util';
import { sameItems } from '@fso/shared/runtime';
import type { PolicySnapshot } from '../observe/index.ts';

/**
 * Policies whose status is written, and follows from nothing that may change by time alone. They
 * are not judged again as long as all that it follows from is the same: in most rounds that is so
 * for all policies but one.
 */
export class SettledPolicies {
  readonly #known = new Map<string, { readonly inputs: readonly unknown[]; readonly snapshot: PolicySnapshot }>();
  #shared: unknown;

  /** Begins a round. @param shared what every status follows from, compared by value */
  begin(shared: unknown): void {
    if (!isDeepStrictEqual(shared, this.#shared)) this.#known.clear();
    this.#shared = shared;
  }

  /**
   * @param inputs what its status alone follows from, compared by identity @returns undefined: it
   * is to be judged
   */
  find(policy: string, inputs: readonly unknown[]): PolicySnapshot | undefined {
    const known = this.#known.get(policy);
    return known !== undefined && sameItems(known.inputs, inputs) ? known.snapshot : undefined;
  }

  keep(policy: string, inputs: readonly unknown[], snapshot: PolicySnapshot): void {
    this.#known.set(policy, { inputs, snapshot });
  }

  forget(policy: string): void {
    this.#known.delete(policy);
  }

  /** Forgets all other policies. */
  retain(policies: Pick<ReadonlySet<string>, 'has'>): void {
    for (const policy of this.#known.keys()) if (!policies.has(policy)) this.#known.delete(policy);
  }
}
