import { type Clock, waitPatiently } from '@fso/shared/runtime';

/**
 * Time after which a connection that has not taken an offer no longer keeps the others waiting, in
 * milliseconds.
 */
const STALLED_MS = 1_000;
const CHECK_MS = 250;
const NEVER = new AbortController().signal;

interface Sending {
  readonly bytes: number;
  readonly since: number;
}

interface Waiting {
  /** Size of the offer, read at its turn, as another offer may have replaced it by then. */
  readonly bytes: () => number;
  readonly start: (done: () => void) => void;
}

/**
 * Limits the bytes of offers in flight to all agents; other offers wait in order. A commit that
 * changes a thousand policies is an offer of half a megabyte to each agent of a fleet. A waiting
 * offer takes no memory of its own, as agents share it.
 */
export class OfferLimit {
  readonly #maxBytes: number;
  readonly #clock: Clock;
  readonly #sending = new Set<Sending>();
  readonly #waiting: Waiting[] = [];
  #bytes = 0;
  #isStarting: boolean = false;
  #isChecking: boolean = false;

  /** @param maxBytes a larger offer is sent alone */
  constructor(maxBytes: number, clock: Clock) {
    this.#maxBytes = maxBytes;
    this.#clock = clock;
  }

  /** Number of offers that wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Queues an offer.
   *
   * @param start called at its turn, at once if there is room; it calls `done` when the network has
   * the bytes, or nothing was sent
   */
  enter(bytes: () => number, start: (done: () => void) => void): void {
    this.#waiting.push({ bytes, start });
    this.#startWaiting();
  }

  /**
   * Starts the offers for which there is room, in a loop: an offer that sends nothing is done at
   * once, and thousands of them must not become a stack of calls.
   */
  #startWaiting(): void {
    if (this.#isStarting) return;
    this.#isStarting = true;
    try {
      for (let [next] = this.#waiting; next !== undefined && this.#hasRoom(next.bytes()); [next] = this.#waiting) {
        this.#waiting.shift();
        this.#start(next);
      }
    } finally {
      this.#isStarting = false;
    }
    if (this.#waiting.length > 0 && !this.#isChecking) void this.#checkForStalled();
  }

  #hasRoom(bytes: number): boolean {
    return this.#sending.size === 0 || this.#bytes + bytes <= this.#maxBytes;
  }

  #start({ bytes, start }: Waiting): void {
    const sending = { bytes: bytes(), since: this.#clock.monotonicMs() };
    this.#sending.add(sending);
    this.#bytes += sending.bytes;
    start(() => {
      this.#end(sending);
      this.#startWaiting();
    });
  }

  #end(sending: Sending): void {
    if (this.#sending.delete(sending)) this.#bytes -= sending.bytes;
  }

  /**
   * Takes stalled offers out of the count while others wait. No offer counts as stalled for a time
   * in which this process was busy.
   */
  async #checkForStalled(): Promise<void> {
    this.#isChecking = true;
    while (this.#waiting.length > 0) {
      await waitPatiently(this.#clock, CHECK_MS, NEVER);
      const stalled = this.#clock.monotonicMs() - STALLED_MS;
      for (const sending of this.#sending) if (sending.since <= stalled) this.#end(sending);
      this.#startWaiting();
    }
    this.#isChecking = false;
  }
}
