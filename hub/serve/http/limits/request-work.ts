import { threadCpuMs } from '@fso/shared/runtime';
import type { RequestHandler, Response } from 'express';

/**
 * Least and greatest time for which one piece of work keeps the thread before others get it, in ms.
 */
const SLICE_MS = { min: 10, max: 100 };
/** Items between two looks at the time, which takes as long as a light item. */
const BATCH = 64;

/**
 * Shares the thread in slices: in each turn of the event loop requests, and updates of an index,
 * work for one slice, so that all other work waits for a single slice. It lasts as long as the
 * other work of the turn did: where the thread is busy, they get half of it.
 */
export class ThreadSlices {
  readonly #waiting: (() => void)[] = [];
  /** Time at which the last slice ended, or the first one in the queue came. */
  #waitsSince = 0;
  /** End of the slice of this turn. */
  #until = Number.NEGATIVE_INFINITY;
  /** The time of this process, in milliseconds that never go backwards. */
  readonly now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.now = now;
  }

  /**
   * Runs a piece of work in its turn, first come first served.
   *
   * @param work gets the time until which it may keep the thread
   * @throws what it throws
   */
  async run<T>(work: (until: number) => T): Promise<T> {
    if (this.#waiting.length === 0 && this.now() < this.#until) return work(this.#until);
    await this.#turn();
    try {
      return work(this.#until);
    } finally {
      this.#goOn();
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

  /** Lets the next one work in what is left of the slice, or in the next turn. */
  #goOn(): void {
    this.#waiting.shift();
    if (this.#waiting.length === 0) return;
    if (this.now() < this.#until) this.#waiting[0]?.();
    else this.#waitForTurn();
  }
}

/** The work that one request, or update of an index, does on the thread. */
export class RequestWork {
  readonly #slices: ThreadSlices;
  #charge: (ms: number) => void = () => undefined;

  constructor(slices: ThreadSlices) {
    this.#slices = slices;
  }

  /** @param charge gets the milliseconds of processor time of each piece of work from now on */
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
   * @param batch items between two looks at the time; fewer where an item is heavy
   * @throws the signal's reason when it aborts; what a visit throws
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

/** Gives each request its {@link RequestWork}. */
export const prepareWork =
  (slices: ThreadSlices): RequestHandler =>
  (_req, res, next) => {
    res.locals['work'] = new RequestWork(slices);
    next();
  };

/** Reads the budget of processor time of a request. */
export const workOf = (res: Response): RequestWork => res.locals['work'] as RequestWork;
