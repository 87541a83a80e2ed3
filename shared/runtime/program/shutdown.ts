import { setMaxListeners } from 'node:events';
import type { Clock } from '../clock.ts';

/** Resolves when the signal aborts. */
export const untilAborted = (signal: AbortSignal): Promise<void> =>
  signal.aborted ? Promise.resolve() : new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

/**
 * Waits for work to end, for a limited time. The work is not cancelled.
 *
 * @returns whether the work ended within `ms`
 * @throws the error of the work, if it fails in time
 */
export const settlesWithin = async (work: Promise<unknown>, ms: number): Promise<boolean> => {
  const late = Promise.withResolvers<false>();
  const timer = setTimeout(late.resolve, ms, false);
  try {
    return await Promise.race([work.then(() => true), late.promise]);
  } finally {
    clearTimeout(timer);
  }
};

/**
 * Returns a signal that aborts at SIGTERM or SIGINT. A second one ends the process at once, for
 * people who do not want to wait.
 *
 * @param target the process; another one in tests
 */
export const shutdownSignal = (target: Pick<NodeJS.Process, 'on' | 'exit'> = process): AbortSignal => {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) target.exit(name === 'SIGINT' ? 130 : 143);
    controller.abort(new Error(`received ${name}`));
  };
  target.on('SIGTERM', stop);
  target.on('SIGINT', stop);
  return controller.signal;
};

/** The two phases in which a hub shuts down. */
export interface Shutdown {
  /**
   * Aborts first: the hub reports that it is not ready but continues all work, so that load
   * balancers send new work elsewhere.
   */
  readonly draining: AbortSignal;
  /** Aborts second: connections end, and requests in flight get a grace period. */
  readonly closing: AbortSignal;
  begin(): void;
  /** Skips the first phase. */
  closeNow(): void;
}

/**
 * Creates a shutdown that begins when `signal` aborts.
 *
 * @param delayMs time between the two phases
 */
export const createShutdown = (signal: AbortSignal, { clock, delayMs }: { readonly clock: Clock; readonly delayMs: number }): Shutdown => {
  const [draining, closing] = [new AbortController(), new AbortController()];
  // One listener for each request and part, without a limit.
  setMaxListeners(0, draining.signal, closing.signal);
  const closeNow = (): void => {
    draining.abort();
    closing.abort();
  };
  const begin = (): void => {
    if (draining.signal.aborted) return;
    draining.abort();
    if (delayMs === 0) closeNow();
    else clock.sleep(delayMs, closing.signal).then(closeNow, () => undefined);
  };
  void untilAborted(signal).then(begin);
  return { draining: draining.signal, closing: closing.signal, begin, closeNow };
};
