import { threadCpuMs } from '@fso/shared/runtime';
import type { RequestHandler, Response } from 'express';

/** Milliseconds for which one piece of work keeps the thread before others get it. */
const SLICE_MS = 10;
/** Items between two looks at the clock. */
const BATCH = 64;

interface Visits {
  readonly signal?: AbortSignal;
  /** Items between two looks at the clock. Default 64: it takes as long as an item that is light. */
  readonly batch?: number;
  readonly run?: (slice: () => boolean) => boolean;
}

/**
 * Shares the thread in slices: in each turn of the event loop one request, or update of an index,
 * works for one slice, so that all other work waits for a single slice.
 */
export class ThreadSlices {
  readonly #waiting: (() => void)[] = [];
  /** Milliseconds that never go backwards. */
  readonly #now: () => number;

  /** @param now default: the time of this process */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Resolves when it is the caller's turn, first come first served. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) setImmediate(() => this.#run());
    });
  }

  /**
   * Visits items in slices, with other work in between.
   *
   * @param run runs each slice
   * @throws the signal's reason when it aborts; what a visit throws
   */
  async each<T>(
    items: Iterable<T>,
    visit: (item: T) => unknown,
    { signal, batch = BATCH, run = (slice) => slice() }: Visits,
  ): Promise<void> {
    const iterator = items[Symbol.iterator]();
    const visitSome = (): boolean => {
      const until = this.#now() + SLICE_MS;
      for (let count = 1; ; count += 1) {
        const { done, value } = iterator.next();
        if (done === true) return true;
        visit(value);
        if (count % batch === 0 && this.#now() >= until) return false;
      }
    };
    do {
      await this.next();
      signal?.throwIfAborted();
    } while (!run(visitSome));
  }

  #run(): void {
    this.#waiting.shift()?.();
    if (this.#waiting.length > 0) setImmediate(() => this.#run());
  }
}

/** The work that one request does on the thread. */
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
   * @throws the signal's reason when it aborts; what a visit throws
   */
  each<T>(items: Iterable<T>, visit: (item: T) => unknown, signal: AbortSignal): Promise<void> {
    return this.#slices.each(items, visit, { signal, run: (slice) => this.run(slice) });
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
