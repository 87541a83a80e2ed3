/**
 * Divides items over a number of turns, so that periodic work is not done for thousands of them at
 * once.
 */
export class Turns<T> {
  readonly #turns: readonly Set<T>[];
  #next = 0;

  constructor(count: number) {
    this.#turns = Array.from({ length: count }, () => new Set<T>());
  }

  /** Adds an item to the turn that has the fewest. */
  add(item: T): void {
    const [first, ...others] = this.#turns;
    others.reduce((fewest, turn) => (fewest !== undefined && fewest.size <= turn.size ? fewest : turn), first)?.add(item);
  }

  delete(item: T): void {
    for (const turn of this.#turns) if (turn.delete(item)) return;
  }

  /** Returns the items of the next turn, in rotation. */
  take(): Iterable<T> {
    const turn = this.#turns[this.#next] ?? new Set<T>();
    this.#next = (this.#next + 1) % this.#turns.length;
    return turn;
  }
}
