import { type ThreadSlices, threadCpuMs } from '@fso/shared/runtime';
import type { RequestHandler, Response } from 'express';

/** Number of items between two reads of the clock, which costs as much as a light item. */
const BATCH = 64;

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
