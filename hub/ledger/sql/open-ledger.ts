import { createBackoff } from '@fso/shared/runtime';
import { type Ledger, LedgerError } from '../types.ts';
import { type Database, type DatabaseConfig, openDatabase } from './database.ts';
import { describeDatabaseError, isPermanent } from './errors.ts';
import type { HistoryLimits } from './history/history.ts';
import { createSqlLedger, type SqlLedgerOptions } from './sql-ledger.ts';

/** Database of a ledger, and the length of its history. */
export interface OpenLedgerOptions extends Pick<SqlLedgerOptions, 'clock' | 'random' | 'logger' | 'onCommit'> {
  readonly database: DatabaseConfig;
  readonly history: HistoryLimits;
}

const RETRY = { baseMs: 500, maxMs: 10_000 };

/** Whether an operator has to act, so that a retry does not help. */
const isFinal = (error: unknown, embedded: boolean): boolean => error instanceof LedgerError || embedded || isPermanent(error);

/** Makes closing the ledger close its database too. */
const withDatabase = (ledger: Ledger, database: Database): Ledger => ({
  ...ledger,
  close: async () => {
    await ledger.close();
    await database.close();
  },
});

/**
 * Opens the hub's ledger. Waits for a database server that does not answer yet. An embedded
 * database that cannot be opened is an error.
 *
 * @throws LedgerError if an operator has to act; the signal's reason
 */
export const openLedger = async (options: OpenLedgerOptions, signal: AbortSignal): Promise<Ledger> => {
  const { clock, logger, random } = options;
  const backoff = createBackoff({ ...RETRY, random });
  const database = await openDatabase(options.database);
  let waitedFor: string | undefined;
  const wait = async (error: unknown): Promise<void> => {
    if (isFinal(error, !database.shared)) throw error;
    const reason = describeDatabaseError(error);
    // A repeated reason is logged once.
    if (reason !== waitedFor) logger.error({ database: database.name, reason }, 'ledger database is waited for');
    waitedFor = reason;
    await clock.sleep(backoff.next(), signal);
  };
  try {
    for (;;) {
      const ledger = await createSqlLedger({ ...options, database }).catch(wait);
      if (ledger === undefined) continue;
      logger.info({ database: database.name }, 'ledger opened');
      return withDatabase(ledger, database);
    }
  } catch (error) {
    await database.close();
    throw error;
  }
};
