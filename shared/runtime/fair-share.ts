/** An item that lost its room, and its holder. */
export interface Evicted {
  readonly holder: string;
  readonly item: string;
}

/**
 * A bounded number of items of several holders. Once there are as many, a holder takes the room of
 * the one that has most, as long as it has less itself: nobody loses what all others have, too.
 */
export class FairShare {
  readonly #max: number;
  readonly #maxOfOne: number;
  readonly #holders = new Map<string, Set<string>>();
  #count = 0;

  constructor({ max, maxOfOne }: { readonly max: number; readonly maxOfOne: number }) {
    this.#max = max;
    this.#maxOfOne = maxOfOne;
  }

  /**
   * Takes room for an item, also for one that has it.
   *
   * @param onEvicted called for the item that made room @returns whether there is room
   */
  take(holder: string, item: string, onEvicted: (evicted: Evicted) => void): boolean {
    const items = this.#holders.get(holder) ?? new Set();
    if (items.has(item)) return true;
    if (items.size >= this.#maxOfOne) return false;
    if (this.#count >= this.#max) {
      const evicted = this.#evict(items.size);
      if (evicted === undefined) return false;
      onEvicted(evicted);
    }
    items.add(item);
    this.#holders.set(holder, items);
    this.#count += 1;
    return true;
  }

  has(holder: string, item: string): boolean {
    return this.#holders.get(holder)?.has(item) === true;
  }

  /** Gives the room of an item back. */
  release(holder: string, item: string): void {
    const items = this.#holders.get(holder);
    if (items?.delete(item) !== true) return;
    this.#count -= 1;
    if (items.size === 0) this.#holders.delete(holder);
  }

  /** Takes the room of the oldest item of the holder with the most. @param size of who asks */
  #evict(size: number): Evicted | undefined {
    let [most, largest]: [string, Set<string>] = ['', new Set()];
    for (const [holder, items] of this.#holders) if (items.size > largest.size) [most, largest] = [holder, items];
    if (largest.size <= size + 1) return undefined;
    const [item = ''] = largest;
    this.release(most, item);
    return { holder: most, item };
  }
}
