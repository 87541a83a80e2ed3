import { type Clock, systemClock, WAIT_OVERTAKEN } from '../../runtime/index.ts';

/** Delays of failing keys, in ms. */
export interface WorkQueueOptions {
  readonly clock?: Clock;
  /** First delay of a failing key. Default 5 ms, doubled with every failure. */
  readonly baseDelayMs?: number;
  /** Longest delay. Default 5 min. */
  readonly maxDelayMs?: number;
}

interface DelayedAdd {
  readonly at: number;
  readonly timer: AbortController;
}

/**
 * Queue like client-go's workqueue (https://pkg.go.dev/k8s.io/client-go/util/workqueue): a key is
 * queued at most once, is never given to two workers at a time, and is given out exactly once more
 * if it was added while being processed. In addition, taking a key cancels its delayed add, because
 * a level-triggered reconcile requests its next run itself.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #baseDelayMs: number;
  readonly #maxDelayMs: number;
  /** Keys in order of arrival. */
  readonly #waiting: string[] = [];
  /** Keys that need work: queued, or added again while processed. */
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

  /** Number of keys that wait to be taken. */
  get length(): number {
    return this.#waiting.length;
  }

  add(key: string): void {
    if (this.#closed || this.#dirty.has(key)) return;
    this.#dirty.add(key);
    if (!this.#processing.has(key)) this.#offer(key);
  }

  /**
   * Adds a key after a delay, unless it is taken before. Of several delayed adds the earliest
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
      // Replaced by an earlier add, taken before, or the queue was closed.
      () => undefined,
    );
  }

  /**
   * Adds a failed key after a delay that grows with every failure.
   *
   * @returns the delay in ms
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
   * Waits for a key. Every taken key needs {@link done}.
   *
   * @returns undefined once the queue is closed
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
