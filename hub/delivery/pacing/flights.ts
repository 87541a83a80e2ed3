import type { Clock } from '@fso/shared/runtime';

/** A connection that has not taken an offer after so long no longer keeps the others waiting. */
const STALLED_MS = 1_000;
const LOOK_MS = 250;

interface Flight {
  readonly bytes: number;
  readonly since: number;
}

interface Waiting {
  readonly bytes: number;
  readonly start: (landed: () => void) => void;
}

/**
 * A commit that changes a thousand policies is an offer of half a megabyte to each agent of a fleet: so many bytes are on their way to agents
 * at a time, the other offers wait in their order. What waits holds nothing: the offers themselves are shared.
 */
export class Flights {
  readonly #maxBytes: number;
  readonly #clock: Clock;
  readonly #flying = new Set<Flight>();
  readonly #waiting: Waiting[] = [];
  #bytes = 0;
  #isLooking: boolean = false;

  /** @param maxBytes one that has more goes alone */
  constructor(maxBytes: number, clock: Clock) {
    this.#maxBytes = maxBytes;
    this.#clock = clock;
  }

  /** @param start called when it is its turn, at once if it can be; it calls `landed` when the bytes are with the network, or nothing was sent */
  take(bytes: number, start: (landed: () => void) => void): void {
    this.#waiting.push({ bytes, start });
    this.#startNext();
  }

  #startNext(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#hasRoom(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#fly(next);
    }
    if (this.#waiting.length > 0 && !this.#isLooking) void this.#lookForStalled();
  }

  #hasRoom(bytes: number): boolean {
    return this.#flying.size === 0 || this.#bytes + bytes <= this.#maxBytes;
  }

  #fly({ bytes, start }: Waiting): void {
    const flight = { bytes, since: this.#clock.monotonicMs() };
    this.#flying.add(flight);
    this.#bytes += bytes;
    start(() => {
      this.#end(flight);
      this.#startNext();
    });
  }

  #end(flight: Flight): void {
    if (this.#flying.delete(flight)) this.#bytes -= flight.bytes;
  }

  /** While others wait. */
  async #lookForStalled(): Promise<void> {
    this.#isLooking = true;
    while (this.#waiting.length > 0) {
      await this.#clock.sleep(LOOK_MS, NEVER);
      const stalled = this.#clock.monotonicMs() - STALLED_MS;
      for (const flight of this.#flying) if (flight.since <= stalled) this.#end(flight);
      this.#startNext();
    }
    this.#isLooking = false;
  }
}

const NEVER = new AbortController().signal;
