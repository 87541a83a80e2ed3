import { answerWithin, type Clock } from '@fso/shared/runtime';
import { ApiError } from '../problems.ts';

/** Bounds of concurrent calls of one kind. */
export interface SlotLimits {
  /** Calls of one caller at a time. */
  readonly perCaller: number;
  /** Calls of all at a time. */
  readonly total: number;
  /**
   * Calls that wait for others to end; one more is refused, and of one caller one more than
   * {@link WAITING_SHARE} of these.
   */
  readonly waiting: number;
}

/** Share of the waiting calls that one caller may have, which leaves room for others. */
const WAITING_SHARE = 0.25;

/**
 * Longest wait for a slot, in milliseconds. A body that is not read meanwhile has to come within
 * 60 s of its connection.
 */
const WAIT_MS = 45_000;

interface Waiter {
  readonly caller: string;
  readonly start: () => void;
}

/**
 * Limits by kind of route: streams stay open, exports read much, heavy calls keep the database
 * busy, lists are computed on the thread that all share, and plans on threads of their own.
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

/** Bounds how many calls of a kind are under way, of one caller and in all. */
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
   * Waits for a slot, first come first served among those whose caller may have one.
   *
   * @returns to be called once when the call has ended
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
    // Its turn may come in the moment in which its time ends: then the slot is taken.
    if (isStarted) return;
    leave();
    signal.throwIfAborted();
    throw tooMany();
  }
}
