import type { Clock } from './clock.ts';

const TICK_MS = 1_000;
/** A tick that is later shows a busy process. */
const BUSY_MS = 1_000;
/** Default for what counts as a pause. */
const LATE_MS = 5_000;
const WINDOW_MS = 60_000;

interface Tick {
  /** Monotonic, ms. */
  readonly at: number;
  readonly isLate: boolean;
}

export interface PauseDetectorOptions {
  readonly clock: Clock;
  /** By how many milliseconds a tick must be late to show a pause. Default 5 s. */
  readonly lateMs?: number;
}

/**
 * Notices that this process did not run for a while: it was suspended, or had no processor time. It looks at both clocks, because the
 * monotonic one of Node stands still while Linux is suspended.
 */
export class PauseDetector {
  readonly #clock: Clock;
  readonly #lateMs: number;
  readonly #handlers = new Set<(pausedMs: number) => void>();
  /** Ticks of the last minute, oldest first. */
  #ticks: readonly Tick[] = [];
  /** Sum of all pauses by the monotonic clock. */
  #pausedMs = 0;

  constructor({ clock, lateMs = LATE_MS }: PauseDetectorOptions) {
    this.#clock = clock;
    this.#lateMs = lateMs;
  }

  /** @param handler gets by how many milliseconds a tick was late; it must not throw @returns a function that removes the handler */
  onPause(handler: (pausedMs: number) => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  /** The clock without the pauses: for how long something lasted while this process could look at it. */
  awakeClock(): Clock {
    const clock = this.#clock;
    return {
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs() - this.#pausedMs,
      sleep: (ms, signal) => clock.sleep(ms, signal),
    };
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
    await this.#clock.sleep(TICK_MS, signal).catch(() => undefined);
    if (signal.aborted) return;
    const to = this.#read();
    // A wall clock that was set back says nothing: then the monotonic one counts alone.
    const lateMs = Math.max(to.monotonic - from.monotonic, to.wall - from.wall) - TICK_MS;
    this.#ticks = [...this.#ticks.filter(({ at }) => at > to.monotonic - WINDOW_MS), { at: to.monotonic, isLate: lateMs > BUSY_MS }];
    if (lateMs <= this.#lateMs) return;
    this.#pausedMs += Math.max(0, to.monotonic - from.monotonic - TICK_MS);
    for (const handler of this.#handlers) handler(lateMs);
  }

  #read(): { readonly monotonic: number; readonly wall: number } {
    return { monotonic: this.#clock.monotonicMs(), wall: this.#clock.now().getTime() };
  }
}
