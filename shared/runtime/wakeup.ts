import { type Clock, WAIT_OVERTAKEN } from './clock.ts';

/**
 * Wakes one waiting loop. Level-triggered: a wake-up without a waiter is kept, and several count as
 * one.
 */
export class Wakeup {
  #isPending: boolean = false;
  #resume: (() => void) | undefined;

  wake(): void {
    this.#isPending = true;
    this.#resume?.();
  }

  /**
   * Resolves at the next {@link wake}, or at once if one is kept.
   *
   * @throws the signal's reason if aborted
   */
  async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#isPending) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const resume = (): void => resolve();
      this.#resume = resume;
      signal.addEventListener('abort', resume, { once: true });
      await promise;
      signal.removeEventListener('abort', resume);
      if (this.#resume === resume) this.#resume = undefined;
    }
    signal.throwIfAborted();
    this.#isPending = false;
  }

  /** Waits like {@link wait}, but at most `ms` milliseconds. */
  async waitAtMost(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    try {
      await Promise.race([this.wait(either), clock.sleep(ms, either)]);
    } finally {
      done.abort(WAIT_OVERTAKEN);
    }
  }
}
