import { randomUUID } from 'node:crypto';
import type { Logger } from '../../runtime/index.ts';
import type { ReconcileResult } from '../types.ts';
import type { WorkQueue } from './work-queue.ts';

/**
 * Failure that a retry cannot fix until something changes. The reconcile reports it in a condition.
 */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';
}

/** Outcome of one reconcile. `terminal`: an error that is not retried. */
export type ReconcileOutcome = 'success' | 'requeue' | 'error' | 'terminal';

/** Receiver of the outcome and duration of each reconcile. */
export interface ControllerMetrics {
  reconciled(fact: { readonly controller: string; readonly outcome: ReconcileOutcome; readonly durationMs: number }): void;
}

/** Id and logger of one reconcile. */
export interface ReconcileContext {
  readonly reconcileId: string;
  /** Logger with the fields controller, key and reconcileId. */
  readonly logger: Logger;
}

/** Queue and workers of a controller, and its reconcile function. */
export interface ControllerOptions {
  readonly name: string;
  /** Number of keys reconciled at the same time. Default 1. */
  readonly workers?: number;
  readonly queue: WorkQueue;
  readonly logger: Logger;
  readonly metrics?: ControllerMetrics;
  /**
   * Reconciles a key. Level-triggered: it gets only the key and reads the current state. After an
   * error it is called again later.
   */
  reconcile(key: string, signal: AbortSignal, context: ReconcileContext): Promise<ReconcileResult | undefined>;
}

const failed = (options: ControllerOptions, key: string, context: { logger: Logger; error: unknown }): ReconcileOutcome => {
  const { logger, error } = context;
  if (error instanceof TerminalError) {
    options.queue.forget(key);
    logger.warn({ err: error }, 'reconcile failed for good');
    return 'terminal';
  }
  const retryInMs = options.queue.addRateLimited(key);
  logger.error({ err: error, retryInMs, failures: options.queue.failures(key) }, 'reconcile failed');
  return 'error';
};

const reconcileOne = async (options: ControllerOptions, key: string, signal: AbortSignal): Promise<ReconcileOutcome> => {
  const reconcileId = randomUUID();
  const logger = options.logger.child({ controller: options.name, key, reconcileId });
  try {
    const result = await options.reconcile(key, signal, { reconcileId, logger });
    options.queue.forget(key);
    if (result?.requeueAfterMs === undefined) return 'success';
    options.queue.addAfter(key, result.requeueAfterMs);
    return 'requeue';
  } catch (error) {
    return signal.aborted ? 'success' : failed(options, key, { logger, error });
  }
};

/**
 * Processes the queue until the signal aborts. Resolves when every worker has ended, and closes the
 * queue.
 */
export const runController = async (options: ControllerOptions, signal: AbortSignal): Promise<void> => {
  const { queue, workers = 1, metrics, name } = options;
  const worker = async (): Promise<void> => {
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      const started = performance.now();
      const outcome = await reconcileOne(options, key, signal);
      metrics?.reconciled({ controller: name, outcome, durationMs: performance.now() - started });
      queue.done(key);
    }
  };
  const close = (): void => queue.close();
  if (signal.aborted) close();
  signal.addEventListener('abort', close, { once: true });
  await Promise.all(Array.from({ length: workers }, worker));
};
