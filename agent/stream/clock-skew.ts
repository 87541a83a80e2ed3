import type { ClusterEvent } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';

/**
 * Skew from which on users are warned, in ms. Expiry of certificates and policies depends on
 * clocks.
 */
const WARN_MS = 30_000;

/**
 * Measures the offset of this agent's clock from the hub's, by the time between hello and welcome
 * (RFC 5905 8, with one server stamp).
 */
export class ClockSkew {
  readonly #clock: Clock;
  readonly #onEvent: (event: ClusterEvent) => void;
  #greetedAt: number | undefined;
  #warned = false;
  #ms: number | undefined;

  constructor(clock: Clock, onEvent: (event: ClusterEvent) => void) {
    this.#clock = clock;
    this.#onEvent = onEvent;
  }

  /** Offset in ms; positive if this clock is ahead. undefined: unknown yet. */
  get ms(): number | undefined {
    return this.#ms;
  }

  /** Records that the hello is sent. */
  greeted(): void {
    this.#greetedAt = this.#clock.now().getTime();
  }

  /** @param time time of the hub's response, RFC 3339 */
  welcomed(time: string): void {
    const now = this.#clock.now();
    const middle = ((this.#greetedAt ?? now.getTime()) + now.getTime()) / 2;
    this.#ms = Math.round(middle - Date.parse(time));
    const isFar = Math.abs(this.#ms) > WARN_MS;
    if (isFar && !this.#warned) this.#onEvent(this.#warning(this.#ms, now));
    this.#warned = isFar;
  }

  #warning(ms: number, now: Date): ClusterEvent {
    const message = `The clock of the agent is ${Math.abs(Math.round(ms / 1000))} s ${ms > 0 ? 'ahead of' : 'behind'} that of the hub.`;
    return { time: now.toISOString(), severity: 'warning', reason: 'ClockSkewed', message };
  }
}
