import type { Clock } from '@fso/shared/runtime';

/**
 * Shortest time between two answers to a hub that asks for everything, in ms. Each costs as much as
 * all policies together.
 */
const SPACING_MS = 5_000;

/**
 * Request of the hub for a full report, or for the policies of a list. The first one is due at
 * once, one that follows soon after it is delayed, and none is lost.
 */
export class ResyncRequest {
  readonly #clock: Clock;
  #isOpen: boolean = false;
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Time in ms until the request is due; undefined if there is none. */
  get dueInMs(): number | undefined {
    return this.#isOpen ? Math.max(0, this.#notBefore - this.#clock.monotonicMs()) : undefined;
  }

  open(): void {
    this.#isOpen = true;
  }

  /** Drops the request, because its connection has ended. */
  cancel(): void {
    this.#isOpen = false;
  }

  /** Closes a request that is due. @returns whether one was due */
  take(): boolean {
    if (this.dueInMs !== 0) return false;
    this.#isOpen = false;
    this.#notBefore = this.#clock.monotonicMs() + SPACING_MS;
    return true;
  }
}
