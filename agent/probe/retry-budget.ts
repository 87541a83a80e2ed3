import type { Clock } from '@fso/shared/runtime';

/** Requests that are available at once, for single failures. */
const BURST = 50;
/** Requests per second during a long outage. */
const PER_SECOND = 8;

interface Waiter {
  readonly attempt: number;
  readonly cost: number;
  readonly go: () => void;
}

/**
 * Limits the retries of all proofs of a cluster together with a token bucket, so that retries do
 * not make an outage worse. A proof returns more tokens than it took, so that after an outage all
 * others follow quickly.
 */
export class RetryBudget {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #tokens = BURST;
  #filledAt: number;
  readonly #waiting = new Set<Waiter>();
  #isPaying: boolean = false;

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
    this.#filledAt = clock.monotonicMs();
  }

  /**
   * Resolves when `cost` requests may be sent. Waiters with the fewest attempts come first, so that
   * a fresh change does not wait behind old failures. The last one may overdraw the budget.
   *
   * @throws the signal's reason
   */
  async take(attempt: number, cost: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(waiter);
        reject(signal.reason);
      };
      const go = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const waiter: Waiter = { attempt, cost, go };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.add(waiter);
      this.#pay();
    });
  }

  /** Records that a retry of this cost ended with a proof. */
  reward(cost: number): void {
    this.#fill();
    this.#tokens = Math.min(BURST, this.#tokens + 2 * cost);
    this.#pay();
  }

  #fill(): void {
    const now = this.#clock.monotonicMs();
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#filledAt) / 1000) * PER_SECOND);
    this.#filledAt = now;
  }

  #pay(): void {
    this.#fill();
    while (this.#tokens > 0) {
      const next = this.#first();
      if (next === undefined) return;
      this.#waiting.delete(next);
      this.#tokens -= next.cost;
      next.go();
    }
    if (this.#waiting.size > 0) this.#payLater();
  }

  #first(): Waiter | undefined {
    let first: Waiter | undefined;
    for (const waiter of this.#waiting) if (first === undefined || waiter.attempt < first.attempt) first = waiter;
    return first;
  }

  #payLater(): void {
    if (this.#isPaying) return;
    this.#isPaying = true;
    const ms = Math.ceil((1000 * (1 - this.#tokens)) / PER_SECOND);
    this.#clock.sleep(ms, this.#signal).then(
      () => {
        this.#isPaying = false;
        this.#pay();
      },
      // Rejected because the agent stops. Each waiter has a signal of its own.
      () => undefined,
    );
  }
}
