/** Namespaces take turns: the one comes first whose last turn, or proof, is longest ago. */
export class Round {
  readonly #order = new Set<string>();
  readonly #busy = new Set<string>();

  has(namespace: string): boolean {
    return this.#order.has(namespace);
  }

  join(namespace: string): void {
    this.#order.add(namespace);
  }

  leave(namespace: string): void {
    this.#order.delete(namespace);
  }

  /** It has just been asked something: others come first now. */
  visited(namespace: string): void {
    if (this.#order.delete(namespace)) this.#order.add(namespace);
  }

  /** In the order of their turns. */
  list(): readonly string[] {
    return [...this.#order];
  }

  /**
   * Gives the turn to the first that is free and has ended its last one.
   *
   * @param turn never rejects
   * @returns whose turn it is; undefined: nobody's
   */
  give(isFree: (namespace: string) => boolean, turn: (namespace: string) => Promise<void>): string | undefined {
    for (const namespace of this.#order) {
      if (this.#busy.has(namespace) || !isFree(namespace)) continue;
      this.visited(namespace);
      this.#busy.add(namespace);
      void turn(namespace).finally(() => this.#busy.delete(namespace));
      return namespace;
    }
    return undefined;
  }
}
