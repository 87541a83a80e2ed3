import { type Logger, type Shutdown, settlesWithin, untilAborted } from '@fso/shared/runtime';
import type { Ledger } from './ledger/index.ts';
import { lifeEntry } from './recorders/index.ts';
import type { HubDeps } from './types.ts';

/** Milliseconds that parts and open requests have to end; requests are cut a little earlier. */
const STOP_MS = 6_000;

export interface HubParts {
  /** Parts that run until aborted. */
  readonly runs: readonly ((signal: AbortSignal) => Promise<void>)[];
  /** Ends of the listeners. */
  readonly closed: readonly Promise<void>[];
  readonly shutdown: Shutdown;
  readonly ledger: Ledger;
}

/** @throws the error of the part that failed first */
const runParts = async ({ runs, closed, shutdown: { closing, closeNow } }: HubParts, logger: Logger): Promise<void> => {
  const failures: unknown[] = [];
  const parts = runs.map((run) => run(closing));
  Promise.all(parts).catch((error: unknown) => {
    failures.push(error);
    logger.fatal({ err: error }, 'a part of the hub failed');
    closeNow();
  });
  await untilAborted(closing);
  // Closing the ledger refuses pending writes, so a database that hangs does not block the hub.
  if (!(await settlesWithin(Promise.allSettled([...parts, ...closed]), STOP_MS))) logger.warn('parts of the hub did not end in time');
  if (failures.length > 0) throw failures[0];
};

/**
 * Runs all parts until the hub stops, and closes the ledger then. When one of them fails all end: a
 * hub that listens without working is useless, while a hub that ends is restarted.
 *
 * @throws the error of the part that failed first
 */
export const runUntilStopped = async (parts: HubParts, { logger, version }: HubDeps): Promise<void> => {
  const { ledger } = parts;
  try {
    await runParts(parts, logger);
  } finally {
    // Not awaited: an unavailable database must not keep the hub from stopping, and closing the
    // ledger waits only for a limited time.
    ledger.audit.append(lifeEntry('hub.stop', version)).catch((err: unknown) => logger.error({ err }, 'ledger write failed'));
    await ledger.close();
    logger.info('hub stopped');
  }
};
