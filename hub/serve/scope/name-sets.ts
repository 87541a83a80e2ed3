import { sha256 } from '@fso/shared/encoding';
import { WeakValues } from '@fso/shared/runtime';

/**
 * Sets of names, where equal ones are the same object, so that identity shows whether a scope sees
 * the same after another commit.
 */
export class NameSets {
  readonly #known = new WeakValues<ReadonlySet<string>>();

  /** @param names in an order that is the same for the same names */
  get(names: readonly string[]): ReadonlySet<string> {
    const id = sha256(names.join('\n'));
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const set = new Set(names);
    this.#known.set(id, set);
    return set;
  }
}
