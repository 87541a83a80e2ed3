import type { Clock } from './clock.ts';
import { threadCpuMs } from './threads.ts';

const TICK_MS = 1_000;
/** A tick that is later shows a busy process. */
const BUSY_MS = 1_000;
/** Default for what counts as a pause. */
const LATE_MS = 5_000;
const WINDOW_MS = 60_000;

interface Reading {
  readonly monotonic: number;
  readonly wall: number;
  /** Processor time of this thread. */
  readonly busy: number;
}

interface Tick {
  /** Monotonic, ms. */
  readonly at: number;
  readonly isLate: boolean;
}

/** Clock of a {@link PauseDetector}, and the delay that counts as a pause. */
export interface PauseDetectorOptions {
  readonly clock: Clock;
  /** Milliseconds by which a tick must be late to show a pause. Default 5 s. */
  readonly lateMs?: number;
  /** Processor time that this thread has used, in ms. Default: as the system counts it. */
  readonly busyMs?: () => number;
}

/** Milliseconds by which the monotonic clock went on in a late tick. */
const slipOf = (from: Reading, to: Reading): number => Math.max(0, to.monotonic - from.monotonic - TICK_MS - (to.busy - from.busy));

const NO_PAUSE = { lateMs: 0, slipMs: 0 };

/**
 * Creates a meter of the pauses of the process.
 *
 * @returns a function that returns for how many milliseconds the process was paused since its last
 * call
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
 * Notices that this process did not run for a while: it was suspended, or had no processor time. It
 * looks at both clocks, because the monotonic one of Node stands still while Linux is suspended.
 */
export class PauseDetector {
  readonly #clock: Clock;
  readonly #lateMs: number;
  readonly #busyMs: () => number;
  readonly #handlers = new Set<(pausedMs: number) => void>();
  /** Ticks of the last minute, oldest first. */
  #ticks: readonly Tick[] = [];
  #pausedMs = 0;
  /** The part of it that the monotonic clock counted. */
  #slippedMs = 0;
  /** Readings at the start of the current tick. */
  #began: Reading | undefined;

  constructor({ clock, lateMs = LATE_MS, busyMs = threadCpuMs }: PauseDetectorOptions) {
    this.#clock = clock;
    this.#lateMs = lateMs;
    this.#busyMs = busyMs;
  }

  /**
   * @param handler gets by how many milliseconds a tick was late; it must not throw @returns a
   * function that removes the handler
   */
  onPause(handler: (pausedMs: number) => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  /**
   * Milliseconds for which this process was paused since it began to tick; also by a pause whose
   * tick is still to come.
   */
  pausedMs(): number {
    return this.#pausedMs + this.#pauseUnderWay().lateMs;
  }

  /** Whether a tick is so late already that it will show a pause. */
  isLate(): boolean {
    return this.#pauseUnderWay().lateMs > 0;
  }

  /**
   * The clock without the pauses: for how long something lasted while this process could look at
   * it.
   */
  awakeClock(): Clock {
    const clock = this.#clock;
    return {
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs() - this.#pausedMonotonicMs(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
    };
  }

  /** The monotonic clock stands still in some pauses, and must not go backwards because of them. */
  #pausedMonotonicMs(): number {
    return this.#slippedMs + this.#pauseUnderWay().slipMs;
  }

  /**
   * The pause that the tick under way will show. Every reading of the awake clock asks for it, so
   * processor time is read only where it counts.
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

  /** Share of the ticks of the last minute that were more than a second late, from 0 to 1. */
  lateShare(): number {
    const from = this.#clock.monotonicMs() - WINDOW_MS;
    const recent = this.#ticks.filter(({ at }) => at > from);
    return recent.length === 0 ? 0 : recent.filter(({ isLate }) => isLate).length / recent.length;
  }

  /** Ticks each second until aborted. */
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
   * Time in which this thread did not run. Work that keeps it busy makes a tick late, too, and
   * misses nothing. A wall clock that was set back says nothing: then the monotonic one counts
   * alone.
   */
  #lateSince(from: Reading, to: Reading): number {
    return Math.max(to.monotonic - from.monotonic, to.wall - from.wall) - TICK_MS - (to.busy - from.busy);
  }

  #read(): Reading {
    return { monotonic: this.#clock.monotonicMs(), wall: this.#clock.now().getTime(), busy: this.#busyMs() };
  }
}
