import type { Clock } from '@fso/shared/runtime';

/**
 * Least time between two answers to a hub that asks for everything, in milliseconds: each costs as
 * much as all policies together.
 */
const SPACING_MS = 5_000;

/**
 * The request of a hub for a full report, or for the policies of a list. The first is due at once,
 * one that comes soon after it a while later; none is lost.
 */
export class ResyncRequest {
  readonly #clock: Clock;
  #isOpen: boolean = false;
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds until the request is due; undefined: there is none. */
  get dueInMs(): number | undefined {
    return this.#isOpen ? Math.max(0, this.#notBefore - this.#clock.monotonicMs()) : undefined;
  }

  open(): void {
    this.#isOpen = true;
  }

  /** The connection that it came over has ended. */
  cancel(): void {
    this.#isOpen = false;
  }

  /** @returns whether a request is due, which is then done */
  take(): boolean {
    if (this.dueInMs !== 0) return false;
    this.#isOpen = false;
    this.#notBefore = this.#clock.monotonicMs() + SPACING_MS;
    return true;
  }
}
