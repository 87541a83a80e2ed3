import { threadCpuMs } from '@fso/shared/runtime';
import type { RequestHandler, Response } from 'express';

/** Milliseconds for which one piece of work keeps the thread before others get it. */
const SLICE_MS = 10;
/** Items between two looks at the time, which takes as long as a light item. */
const BATCH = 64;

/**
 * Shares the thread in slices: in each turn of the event loop one request, or update of an index,
 * works for one slice, so that all other work waits for a single slice.
 */
export class ThreadSlices {
  readonly #waiting: (() => void)[] = [];
  /** The time of this process, in milliseconds that never go backwards. */
  readonly now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.now = now;
  }

  /** Resolves when it is the caller's turn, first come first served. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) setImmediate(() => this.#run());
    });
  }

  #run(): void {
    this.#waiting.shift()?.();
    if (this.#waiting.length > 0) setImmediate(() => this.#run());
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
    const visitSome = (): boolean => {
      const until = this.#slices.now() + SLICE_MS;
      for (let count = 1; ; count += 1) {
        const { done, value } = iterator.next();
        if (done === true) return true;
        visit(value);
        if (count % batch === 0 && this.#slices.now() >= until) return false;
      }
    };
    do {
      await this.#slices.next();
      signal?.throwIfAborted();
    } while (!this.run(visitSome));
  }
}

/** Gives each request its {@link RequestWork}. */
export const prepareWork =
  (slices: ThreadSlices): RequestHandler =>
  (_req, res, next) => {
    res.locals['work'] = new RequestWork(slices);
    next();
  };

export const workOf = (res: Response): RequestWork => res.locals['work'] as RequestWork;
