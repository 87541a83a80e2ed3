import { sha256 } from '@fso/shared/encoding';
import { WeakValues } from '@fso/shared/runtime';

/**
 * Interned sets of names. Equal sets are the same object, so identity shows whether a scope changed
 * with a commit.
 */
export class NameSets {
  readonly #known = new WeakValues<ReadonlySet<string>>();

  /** @param names sorted names */
  get(names: readonly string[]): ReadonlySet<string> {
    const id = sha256(names.join('\n'));
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const set = new Set(names);
    this.#known.set(id, set);
    return set;
  }
}
