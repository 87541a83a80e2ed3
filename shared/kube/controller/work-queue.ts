import { type Clock, systemClock, WAIT_OVERTAKEN } from '../../runtime/index.ts';

/** Waits of keys that fail, in ms. */
export interface WorkQueueOptions {
  readonly clock?: Clock;
  /** First wait of a failing key. Default 5 ms, doubled with every failure. */
  readonly baseDelayMs?: number;
  /** Default 5 min. */
  readonly maxDelayMs?: number;
}

interface DelayedAdd {
  readonly at: number;
  readonly timer: AbortController;
}

/**
 * client-go's workqueue: a key waits at most once, is never handed to two workers at a time, and is
 * handed out exactly once more when it was added during its processing
 * (https://pkg.go.dev/k8s.io/client-go/util/workqueue). Beyond it: a key that is handed out waits
 * for no delayed add any more, as a level-triggered reconcile asks for the next one itself.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #baseDelayMs: number;
  readonly #maxDelayMs: number;
  /** Keys in order of arrival. */
  readonly #waiting: string[] = [];
  /** Needs work: waiting, or added again while processed. */
  readonly #dirty = new Set<string>();
  readonly #processing = new Set<string>();
  readonly #delayed = new Map<string, DelayedAdd>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  #closed: boolean = false;

  constructor({ clock = systemClock, baseDelayMs = 5, maxDelayMs = 300_000 }: WorkQueueOptions = {}) {
    this.#clock = clock;
    this.#baseDelayMs = baseDelayMs;
    this.#maxDelayMs = maxDelayMs;
  }

  /** Keys that wait to be taken. */
  get length(): number {
    return this.#waiting.length;
  }

  add(key: string): void {
    if (this.#closed || this.#dirty.has(key)) return;
    this.#dirty.add(key);
    if (!this.#processing.has(key)) this.#offer(key);
  }

  /**
   * Adds a key after a delay, unless it is handed out before; the earliest of several delayed adds
   * counts.
   */
  addAfter(key: string, ms: number): void {
    if (this.#closed) return;
    if (ms <= 0) {
      this.add(key);
      return;
    }
    const at = this.#clock.monotonicMs() + ms;
    const planned = this.#delayed.get(key);
    if (planned !== undefined && planned.at <= at) return;
    planned?.timer.abort(WAIT_OVERTAKEN);
    const timer = new AbortController();
    this.#delayed.set(key, { at, timer });
    this.#clock.sleep(ms, timer.signal).then(
      () => {
        this.#delayed.delete(key);
        this.add(key);
      },
      // Replaced by an earlier one, handed out before, or the queue was closed.
      () => undefined,
    );
  }

  /**
   * Adds a key that failed, after a delay that grows with every failure. @returns the delay in
   * milliseconds.
   */
  addRateLimited(key: string): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const ms = Math.min(this.#maxDelayMs, this.#baseDelayMs * 2 ** failures);
    this.addAfter(key, ms);
    return ms;
  }

  /** Consecutive failures of a key. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Resets the failures of a key. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /**
   * Waits for a key; every taken key needs {@link done}. @returns undefined once the queue is
   * closed.
   */
  take(): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    const key = this.#waiting.shift();
    if (key === undefined) return new Promise((resolve) => this.#takers.push(resolve));
    this.#begin(key);
    return Promise.resolve(key);
  }

  done(key: string): void {
    this.#processing.delete(key);
    if (this.#dirty.has(key) && !this.#closed) this.#offer(key);
  }

  /** Drops all waiting keys and ends every pending {@link take}. */
  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
    for (const { timer } of this.#delayed.values()) timer.abort(WAIT_OVERTAKEN);
    this.#delayed.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  #offer(key: string): void {
    const taker = this.#takers.shift();
    if (taker === undefined) {
      this.#waiting.push(key);
      return;
    }
    this.#begin(key);
    taker(key);
  }

  #begin(key: string): void {
    this.#delayed.get(key)?.timer.abort(WAIT_OVERTAKEN);
    this.#delayed.delete(key);
    this.#dirty.delete(key);
    this.#processing.add(key);
  }
}
