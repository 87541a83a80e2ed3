import type { Clock } from '@fso/shared/runtime';

/** An API server that restarts is back sooner. */
const LONG_MS = 30_000;

/** Probes of the schedule that got no answer of a lock: a proof does not last for ever. */
export class UnansweredProbes {
  readonly #clock: Clock;
  /** By namespace and question: when it was first asked in vain, monotonic ms. */
  readonly #since = new Map<string, Map<string, number>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  recordAnswer(namespace: string, question: string): void {
    this.#since.get(namespace)?.delete(question);
  }

  /** @returns whether any question of the namespace has had no answer for too long: then nothing is known any more */
  recordMiss(namespace: string, question: string): boolean {
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
