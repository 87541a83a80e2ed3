import type { Clock } from './clock.ts';
import { threadCpuMs } from './threads.ts';

const TICK_MS = 1_000;
/** Lateness of a tick that shows a busy process, in ms. */
const BUSY_MS = 1_000;
/** Default lateness that counts as a pause, in ms. */
const LATE_MS = 5_000;
const WINDOW_MS = 60_000;

interface Reading {
  readonly monotonic: number;
  readonly wall: number;
  /** CPU time of this thread. */
  readonly busy: number;
}

interface Tick {
  /** Monotonic time, in ms. */
  readonly at: number;
  readonly isLate: boolean;
}

/** Clock of a {@link PauseDetector}, and the delay that counts as a pause. */
export interface PauseDetectorOptions {
  readonly clock: Clock;
  /** Lateness of a tick that shows a pause, in ms. Default 5 s. */
  readonly lateMs?: number;
  /** CPU time that this thread has used, in ms. Default: as the system counts it. */
  readonly busyMs?: () => number;
}

/** Time in ms by which the monotonic clock advanced during a late tick. */
const slipOf = (from: Reading, to: Reading): number => Math.max(0, to.monotonic - from.monotonic - TICK_MS - (to.busy - from.busy));

const NO_PAUSE = { lateMs: 0, slipMs: 0 };

/**
 * Creates a meter for the pauses of the process.
 *
 * @returns function that returns for how many ms the process was paused since its last call
 */
export const createPauseMeter = (pausedMs: () => number): (() => number) => {
  let before = 0;
  return () => {
    const now = pausedMs();
    const added = now - before;
    before = now;
    return added;
  };
};

/**
 * Detects that this process did not run for a while: it was suspended, or had no CPU time. It reads
 * both clocks, because the monotonic clock of Node.js stops while Linux is suspended.
 */
export class PauseDetector {
  readonly #clock: Clock;
  readonly #lateMs: number;
  readonly #busyMs: () => number;
  readonly #handlers = new Set<(pausedMs: number) => void>();
  /** Ticks of the last minute, oldest first. */
  #ticks: readonly Tick[] = [];
  #pausedMs = 0;
  /** Part of `#pausedMs` that the monotonic clock counted. */
  #slippedMs = 0;
  /** Readings at the start of the current tick. */
  #began: Reading | undefined;

  constructor({ clock, lateMs = LATE_MS, busyMs = threadCpuMs }: PauseDetectorOptions) {
    this.#clock = clock;
    this.#lateMs = lateMs;
    this.#busyMs = busyMs;
  }

  /**
   * Registers a handler for pauses.
   *
   * @param handler gets the lateness of the tick in ms; must not throw
   * @returns function that removes the handler
   */
  onPause(handler: (pausedMs: number) => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  /**
   * Time in ms for which this process was paused since it began to tick, including a pause whose
   * tick is still pending.
   */
  pausedMs(): number {
    return this.#pausedMs + this.#pauseUnderWay().lateMs;
  }

  /** Whether the current tick is already so late that it will show a pause. */
  isLate(): boolean {
    return this.#pauseUnderWay().lateMs > 0;
  }

  /**
   * Clock without pauses: a duration does not include time in which this process could not observe.
   */
  awakeClock(): Clock {
    const clock = this.#clock;
    return {
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs() - this.#pausedMonotonicMs(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
    };
  }

  /**
   * Pauses to subtract from the monotonic clock, which stops during some pauses and must not go
   * backwards because of others.
   */
  #pausedMonotonicMs(): number {
    return this.#slippedMs + this.#pauseUnderWay().slipMs;
  }

  /**
   * Pause that the current tick will show. Every reading of the awake clock needs it, so CPU time
   * is read only if it matters.
   */
  #pauseUnderWay(): { readonly lateMs: number; readonly slipMs: number } {
    const from = this.#began;
    if (from === undefined || this.#elapsedSince(from) - TICK_MS <= this.#lateMs) return NO_PAUSE;
    const to = this.#read();
    const lateMs = this.#lateSince(from, to);
    return lateMs > this.#lateMs ? { lateMs, slipMs: slipOf(from, to) } : NO_PAUSE;
  }

  #elapsedSince({ monotonic, wall }: Reading): number {
    return Math.max(this.#clock.monotonicMs() - monotonic, this.#clock.now().getTime() - wall);
  }

  /** Share of the ticks within the last minute that were more than a second late, from 0 to 1. */
  lateShare(): number {
    const from = this.#clock.monotonicMs() - WINDOW_MS;
    const recent = this.#ticks.filter(({ at }) => at > from);
    return recent.length === 0 ? 0 : recent.filter(({ isLate }) => isLate).length / recent.length;
  }

  /** Ticks once a second until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) await this.#tick(signal);
  }

  async #tick(signal: AbortSignal): Promise<void> {
    const from = this.#read();
    this.#began = from;
    await this.#clock.sleep(TICK_MS, signal).catch(() => undefined);
    if (signal.aborted) return;
    const to = this.#read();
    const lateMs = this.#lateSince(from, to);
    const isLate = to.monotonic - from.monotonic - TICK_MS > BUSY_MS;
    this.#ticks = [...this.#ticks.filter(({ at }) => at > to.monotonic - WINDOW_MS), { at: to.monotonic, isLate }];
    this.#began = undefined;
    if (lateMs <= this.#lateMs) return;
    this.#pausedMs += lateMs;
    this.#slippedMs += slipOf(from, to);
    for (const handler of this.#handlers) handler(lateMs);
  }

  /**
   * Time in which this thread did not run. Work that keeps it busy also makes a tick late, but
   * misses nothing. If the wall clock was set back, only the monotonic clock counts.
   */
  #lateSince(from: Reading, to: Reading): number {
    return Math.max(to.monotonic - from.monotonic, to.wall - from.wall) - TICK_MS - (to.busy - from.busy);
  }

  #read(): Reading {
    return { monotonic: this.#clock.monotonicMs(), wall: this.#clock.now().getTime(), busy: this.#busyMs() };
  }
}
