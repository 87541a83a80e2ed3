import { MAX_PREVIEWED_OWNERS, type PreviewedOwner, type PreviewedPending } from '@fso/shared/api';

/** Counts the owners of one class before and after a change. */
export class ClassTally<T> {
  readonly #nameOf: (found: T) => PreviewedOwner;
  readonly #counts = { now: 0, after: 0, begins: 0, ends: 0 };
  #eased = 0;
  readonly #owners: PreviewedOwner[] = [];

  /** @param nameOf names an owner that is in the class after the change */
  constructor(nameOf: (found: T) => PreviewedOwner) {
    this.#nameOf = nameOf;
  }

  /**
   * Counts an owner; undefined on a side on which it is not in the class.
   *
   * @param isEased whether the owner moves here from a worse class
   */
  add(now: T | undefined, after: T | undefined, isEased = false): void {
    if (now !== undefined) this.#counts.now += 1;
    if (after === undefined) this.#counts.ends += Number(now !== undefined);
    else {
      this.#counts.after += 1;
      if (now === undefined) this.#begin(after, isEased);
    }
  }

  #begin(after: T, isEased: boolean): void {
    this.#counts.begins += 1;
    if (isEased) this.#eased += 1;
    if (this.#owners.length < MAX_PREVIEWED_OWNERS) this.#owners.push({ ...this.#nameOf(after), ...(isEased && { eased: true }) });
  }

  /** @param withNames whether to name the owners */
  result(withNames: boolean): PreviewedPending {
    return { ...this.#counts, ...(this.#eased > 0 && { eased: this.#eased }), ...(withNames && { owners: this.#owners }) };
  }
}
