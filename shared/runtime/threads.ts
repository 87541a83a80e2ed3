import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename } from 'node:path';

/** CPU time of this thread since its start, in milliseconds with fractions. Waiting takes none. */
export const threadCpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

/** Whether an error ended a worker thread because its heap was exhausted. */
export const isWorkerOutOfMemory = (error: unknown): boolean => Reflect.get(Object(error), 'code') === 'ERR_WORKER_OUT_OF_MEMORY';

/**
 * Gives this worker thread the lowest scheduling priority, for work that enforcement never waits
 * for. Only Linux has a priority per thread; on other systems this does nothing.
 */
export const lowerThreadPriority = (): void => {
  try {
    // The kernel resolves the link for the thread that reads it; it ends with the thread id.
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), constants.priority.PRIORITY_LOW);
  } catch {
    // Not Linux, or forbidden: the thread keeps its priority.
  }
};

/** Bounds of a time slice, in milliseconds. */
const SLICE_MS = { min: 10, max: 100 };

/**
 * Time slices of this thread, for work that is long or comes in bursts: one slice per turn of the
 * event loop, so other work waits for one slice at most. A slice lasts as long as the other work of
 * the turn did: on a busy thread they get half of the time.
 */
export class ThreadSlices {
  readonly #waiting: (() => void)[] = [];
  /** Time at which the last slice ended, or the first waiter arrived. */
  #waitsSince = 0;
  /** End of the current slice. */
  #until = Number.NEGATIVE_INFINITY;
  /** Monotonic time in milliseconds. */
  readonly now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.now = now;
  }

  /**
   * Runs work when it is its turn, first come, first served.
   *
   * @param work gets the time until which it may occupy the thread
   * @throws the error of the work
   */
  async run<T>(work: (until: number) => T): Promise<T> {
    if (this.#waiting.length === 0 && this.now() < this.#until) return work(this.#until);
    await this.#turn();
    try {
      return work(this.#until);
    } finally {
      this.#advance();
    }
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) this.#waitForTurn();
    });
  }

  #waitForTurn(): void {
    this.#waitsSince = this.now();
    setImmediate(() => {
      const begun = this.now();
      this.#until = begun + Math.min(Math.max(begun - this.#waitsSince, SLICE_MS.min), SLICE_MS.max);
      this.#waiting[0]?.();
    });
  }

  /** Lets the next waiter work in the rest of the slice, or in the next turn. */
  #advance(): void {
    this.#waiting.shift();
    if (this.#waiting.length === 0) return;
    if (this.now() < this.#until) this.#waiting[0]?.();
    else this.#waitForTurn();
  }
}
