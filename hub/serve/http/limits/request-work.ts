import { threadCpuMs } from '@fso/shared/runtime';
import type { RequestHandler, Response } from 'express';

/**
 * Bounds of the time for which work occupies the thread before other work gets it, in milliseconds.
 */
const SLICE_MS = { min: 10, max: 100 };
/** Number of items between two reads of the clock, which costs as much as a light item. */
const BATCH = 64;

/**
 * Time slices of the thread. Requests and index updates work for one slice per turn of the event
 * loop, so other work waits for one slice at most. A slice lasts as long as the other work of the
 * turn did: on a busy thread they get half of the time.
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

/** Work of one request or index update on the thread. */
export class RequestWork {
  readonly #slices: ThreadSlices;
  #charge: (ms: number) => void = () => undefined;

  constructor(slices: ThreadSlices) {
    this.#slices = slices;
  }

  /** @param charge receives the CPU time of each piece of work from now on, in milliseconds */
  chargeTo(charge: (ms: number) => void): void {
    this.#charge = charge;
  }

  /** Runs a short piece of work. */
  run<T>(work: () => T): T {
    const before = threadCpuMs();
    try {
      return work();
    } finally {
      this.#charge(threadCpuMs() - before);
    }
  }

  /**
   * Visits items in slices, with other work in between.
   *
   * @param batch number of items between two reads of the clock; fewer for heavy items
   * @throws the signal's reason; the error of a visit
   */
  async each<T>(items: Iterable<T>, visit: (item: T) => unknown, signal?: AbortSignal, batch = BATCH): Promise<void> {
    const iterator = items[Symbol.iterator]();
    const visitSome = (until: number): boolean => {
      signal?.throwIfAborted();
      for (let count = 1; ; count += 1) {
        const { done, value } = iterator.next();
        if (done === true) return true;
        visit(value);
        if (count % batch === 0 && this.#slices.now() >= until) return false;
      }
    };
    while (!(await this.#slices.run((until) => this.run(() => visitSome(until)))));
  }
}

/** Adds a {@link RequestWork} to each request. */
export const prepareWork =
  (slices: ThreadSlices): RequestHandler =>
  (_req, res, next) => {
    res.locals['work'] = new RequestWork(slices);
    next();
  };

/** Returns the work of a request. */
export const workOf = (res: Response): RequestWork => res.locals['work'] as RequestWork;
