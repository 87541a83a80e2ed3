import type { Clock } from '@fso/shared/runtime';

/**
 * Time of the last proof of each namespace. For a namespace that was never proven, the time at
 * which a proof was first expected.
 */
export class ProofTimes {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #times = new Map<string, Date>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  expect(namespace: string): void {
    if (!this.#times.has(namespace)) this.#times.set(namespace, this.#clock.now());
  }

  recordProof(namespace: string): void {
    if (this.#times.has(namespace)) this.#times.set(namespace, this.#clock.now());
  }

  forget(namespace: string): void {
    this.#times.delete(namespace);
  }

  /** @returns undefined if there is no namespace */
  oldest(): Date | undefined {
    let oldest: Date | undefined;
    for (const time of this.#times.values()) if (oldest === undefined || time < oldest) oldest = time;
    return oldest;
  }
}
