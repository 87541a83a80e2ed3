/** FNV-1a, 32 bits. */
const hashOf = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
};

/**
 * Which question comes next in a namespace. Every second one is the first of its questions, the others take turns; each
 * namespace begins elsewhere, so that at any time all of them are asked somewhere.
 */
export class Turns<Question> {
  readonly #taken = new Map<string, number>();

  next(namespace: string, questions: readonly Question[]): Question | undefined {
    const turn = this.#taken.get(namespace) ?? hashOf(namespace);
    this.#taken.set(namespace, turn + 1);
    const [first, ...others] = questions;
    return others.length === 0 || turn % 2 === 0 ? first : others[Math.floor(turn / 2) % others.length];
  }

  forget(namespace: string): void {
    this.#taken.delete(namespace);
  }
}
