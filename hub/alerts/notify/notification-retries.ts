import { type Backoff, createBackoff, type Runtime } from '@fso/shared/runtime';

const RETRY = { baseMs: 1_000, maxMs: 300_000, minMs: 500 };

/**
 * Times of the next attempts to notify groups, by their keys. They are monotonic, so that a changed
 * clock delays nothing.
 */
export class NotificationRetries {
  readonly #runtime: Pick<Runtime, 'clock' | 'random'>;
  readonly #retries = new Map<string, { readonly backoff: Backoff; atMs: number }>();

  constructor(runtime: Pick<Runtime, 'clock' | 'random'>) {
    this.#runtime = runtime;
  }

  /** Monotonic time of the next attempt, in ms; 0 if the last one did not fail. */
  atMs(key: string): number {
    return this.#retries.get(key)?.atMs ?? 0;
  }

  /**
   * Postpones the next attempt after a failed one.
   *
   * @param afterMs wait that the receiver asked for, in ms
   */
  postpone(key: string, afterMs = 0): void {
    const { clock, random } = this.#runtime;
    const { backoff } = this.#retries.get(key) ?? { backoff: createBackoff({ ...RETRY, random }) };
    this.#retries.set(key, { backoff, atMs: clock.monotonicMs() + Math.max(afterMs, backoff.next()) });
  }

  /** Forgets the failures of a group. */
  forget(key: string): void {
    this.#retries.delete(key);
  }
}
