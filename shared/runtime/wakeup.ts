import type { Clock } from './clock.ts';

/** Wakes one waiting loop. Level-triggered: a ring while nobody waits is kept, many rings are one. */
export class Doorbell {
  #rung: boolean = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Resolves at the next ring, at once if one is kept. @throws the signal's reason when aborted */
  async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#rung) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = (): void => resolve();
      this.#wake = wake;
      signal.addEventListener('abort', wake, { once: true });
      await promise;
      signal.removeEventListener('abort', wake);
      if (this.#wake === wake) this.#wake = undefined;
    }
    signal.throwIfAborted();
    this.#rung = false;
  }

  /** As {@link wait}, but for no longer than `ms`. */
  async waitAtMost(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    try {
      await Promise.race([this.wait(either), clock.sleep(ms, either)]);
    } finally {
      done.abort();
    }
  }
}
