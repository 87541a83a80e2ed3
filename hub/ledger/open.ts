import { createBackoff } from '@fso/shared/runtime';
import { type DatabaseConfig, openDatabase } from './sql/database.ts';
import { describeDatabaseError, isPermanent, LedgerError } from './sql/errors.ts';
import type { HistoryLimits } from './sql/history.ts';
import { createSqlLedger, type SqlLedgerOptions } from './sql/sql-ledger.ts';
import type { Ledger } from './types.ts';

export interface OpenLedgerOptions extends Pick<SqlLedgerOptions, 'clock' | 'random' | 'logger'> {
  readonly database: DatabaseConfig;
  readonly history: HistoryLimits;
}

const RETRY = { baseMs: 500, maxMs: 10_000 };

/** Whether nobody but people can help. */
const isFinal = (error: unknown, embedded: boolean): boolean => error instanceof LedgerError || embedded || isPermanent(error);

/**
 * Opens the hub's ledger. A server that does not answer yet is waited for; an embedded database that cannot be opened is an error.
 *
 * @throws LedgerError where people have to do something; the signal's reason
 */
export const openLedger = async (options: OpenLedgerOptions, signal: AbortSignal): Promise<Ledger> => {
  const { clock, logger, random } = options;
  const backoff = createBackoff({ ...RETRY, random });
  const database = await openDatabase(options.database);
  for (;;) {
    try {
      const ledger = await createSqlLedger({ ...options, database });
      logger.info({ database: database.name }, 'ledger opened');
      return {
        ...ledger,
        close: async () => {
          await ledger.close();
          await database.close();
        },
      };
    } catch (error) {
      if (signal.aborted || isFinal(error, !database.shared)) {
        await database.close();
        throw signal.aborted ? signal.reason : error;
      }
      if (backoff.failures === 0)
        logger.error({ database: database.name, reason: describeDatabaseError(error) }, 'ledger database is waited for');
      await clock.sleep(backoff.next(), signal).catch(() => undefined);
    }
  }
};
