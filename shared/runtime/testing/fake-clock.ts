import type { Clock } from '../clock.ts';

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** Lets everything that is ready run: promise chains and callbacks of I/O that already ended. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A clock for tests: time moves by {@link FakeClock.advance} only. */
export class FakeClock implements Clock {
  #elapsedMs = 0;
  #wallShiftMs = 0;
  readonly #startMs: number;
  readonly #sleepers = new Set<Sleeper>();

  constructor(start: Date = new Date('2026-01-01T00:00:00Z')) {
    this.#startMs = start.getTime();
  }

  now(): Date {
    return new Date(this.#startMs + this.#elapsedMs + this.#wallShiftMs);
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  /** Number of sleeps that are waiting, for tests that must know that one began. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      };
      const sleeper: Sleeper = {
        at: this.#elapsedMs + Math.max(0, ms),
        wake: () => {
          signal.removeEventListener('abort', onAbort);
          this.#sleepers.delete(sleeper);
          resolve();
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#sleepers.add(sleeper);
    });
  }

  /** Moves time, waking sleeps in the order in which they are due, and lets what they wake run in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsedMs + ms;
    await settle();
    for (let next = this.#earliest(end); next !== undefined; next = this.#earliest(end)) {
      this.#elapsedMs = Math.max(this.#elapsedMs, next.at);
      next.wake();
      await settle();
    }
    this.#elapsedMs = end;
  }

  /** Moves time while nothing runs: sleeps that become due end late, with the next {@link FakeClock.advance}. */
  stall(ms: number): void {
    this.#elapsedMs += ms;
  }

  /** Moves the wall clock alone: it is set, or the machine is suspended and its monotonic clock stands still. */
  shiftWall(ms: number): void {
    this.#wallShiftMs += ms;
  }

  #earliest(end: number): Sleeper | undefined {
    let earliest: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (sleeper.at <= end && (earliest === undefined || sleeper.at < earliest.at)) earliest = sleeper;
    }
    return earliest;
  }
}
