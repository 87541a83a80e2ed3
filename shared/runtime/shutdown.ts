import { setMaxListeners } from 'node:events';
import { untilAborted } from './async.ts';
import type { Clock } from './clock.ts';

/** The two steps in which a hub ends. */
export interface Shutdown {
  /** Aborts first: the hub says that it is not ready, and goes on with everything, so that load balancers send new work elsewhere. */
  readonly draining: AbortSignal;
  /** Aborts after that: connections end, and requests under way get a grace. */
  readonly closing: AbortSignal;
  begin(): void;
  /** Without the first step. */
  closeNow(): void;
}

/**
 * Begins when `signal` aborts.
 *
 * @param delayMs between the two steps
 */
export const createShutdown = (signal: AbortSignal, { clock, delayMs }: { readonly clock: Clock; readonly delayMs: number }): Shutdown => {
  const [draining, closing] = [new AbortController(), new AbortController()];
  // As many as there are requests and parts.
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
