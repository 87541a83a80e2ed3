import type { Clock } from '@fso/shared/runtime';

/** An API server that restarts is back sooner. */
const LONG_MS = 30_000;

/** Questions of the rotation to which nobody answered, or somebody else: what was proven once is not proven for ever. */
export class Silences {
  readonly #clock: Clock;
  /** By namespace and question: when it was first asked in vain, monotonic. */
  readonly #since = new Map<string, Map<string, number>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  answered(namespace: string, question: string): void {
    this.#since.get(namespace)?.delete(question);
  }

  /** @returns whether one question or another has been without an answer for long, so that nothing is known any more */
  missed(namespace: string, question: string): boolean {
    const now = this.#clock.monotonicMs();
    const questions = this.#since.get(namespace) ?? new Map<string, number>();
    this.#since.set(namespace, questions);
    if (!questions.has(question)) questions.set(question, now);
    return [...questions.values()].some((since) => now - since >= LONG_MS);
  }

  forget(namespace: string): void {
    this.#since.delete(namespace);
  }
}
