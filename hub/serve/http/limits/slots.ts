import { answerWithin, type Clock } from '@fso/shared/runtime';
import { ApiError } from '../problems.ts';

/** Bounds of concurrent calls of one kind. */
export interface SlotLimits {
  /** Maximum number of concurrent calls of one caller. */
  readonly perCaller: number;
  /** Maximum number of concurrent calls of all callers. */
  readonly total: number;
  /**
   * Maximum number of waiting calls. One caller may have {@link WAITING_SHARE} of them. Further
   * ones are refused.
   */
  readonly waiting: number;
}

/** Share of the waiting calls that one caller may have. */
const WAITING_SHARE = 0.25;

/**
 * Maximum wait for a slot, in milliseconds. Unread bodies must arrive within 60 s of the
 * connection.
 */
const WAIT_MS = 45_000;

interface Waiter {
  readonly caller: string;
  readonly start: () => void;
}

/**
 * Limits by kind of route: streams stay open, exports read much, heavy calls occupy the database,
 * lists are computed on the main thread, and plans on their own threads.
 */
export const SLOT_LIMITS = {
  stream: { perCaller: 50, total: 200, waiting: 0 },
  export: { perCaller: 3, total: 8, waiting: 0 },
  heavy: { perCaller: 4, total: 8, waiting: 100 },
  list: { perCaller: 4, total: 16, waiting: 200 },
  plan: { perCaller: 1, total: 2, waiting: 16 },
} as const satisfies Readonly<Record<string, SlotLimits>>;
/** Kind of calls that share slots. */
export type SlotKind = keyof typeof SLOT_LIMITS;

const tooMany = (): ApiError =>
  new ApiError('too-many-requests', 'Too many calls of this kind are under way. Try again soon.', { 'Retry-After': '5' });

/** Limits the concurrent calls of one kind, per caller and in total. */
export class CallSlots {
  readonly #limits: SlotLimits;
  readonly #clock: Clock;
  readonly #taken = new Map<string, number>();
  #total = 0;
  #waiters: Waiter[] = [];

  constructor(limits: SlotLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /**
   * Waits for a slot, first come, first served among the callers that may have one.
   *
   * @returns function that releases the slot, to be called once
   * @throws ApiError `too-many-requests`; the signal's reason
   */
  async acquire(caller: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (!this.#isFree(caller)) await this.#wait(caller, signal);
    else this.#take(caller);
    let released = false;
    return () => {
      if (!released) this.#release(caller);
      released = true;
    };
  }

  #isFree(caller: string): boolean {
    return this.#total < this.#limits.total && (this.#taken.get(caller) ?? 0) < this.#limits.perCaller;
  }

  #take(caller: string): void {
    this.#total += 1;
    this.#taken.set(caller, (this.#taken.get(caller) ?? 0) + 1);
  }

  #release(caller: string): void {
    this.#total -= 1;
    const left = (this.#taken.get(caller) ?? 1) - 1;
    if (left > 0) this.#taken.set(caller, left);
    else this.#taken.delete(caller);
    const next = this.#waiters.find((waiter) => this.#isFree(waiter.caller));
    next?.start();
  }

  #mayWait(caller: string): boolean {
    const { waiting } = this.#limits;
    if (this.#waiters.length >= waiting) return false;
    return this.#waiters.filter((waiter) => waiter.caller === caller).length < Math.ceil(waiting * WAITING_SHARE);
  }

  async #wait(caller: string, signal: AbortSignal): Promise<void> {
    if (!this.#mayWait(caller)) throw tooMany();
    const turn = Promise.withResolvers<void>();
    let isStarted = false;
    const leave = (): void => {
      this.#waiters = this.#waiters.filter((each) => each !== waiter);
    };
    const waiter: Waiter = {
      caller,
      start: () => {
        leave();
        this.#take(caller);
        isStarted = true;
        turn.resolve();
      },
    };
    this.#waiters.push(waiter);
    await answerWithin(turn.promise, WAIT_MS, this.#clock, signal);
    // The slot may have been granted in the moment of the timeout.
    if (isStarted) return;
    leave();
    signal.throwIfAborted();
    throw tooMany();
  }
}
