import { pino } from 'pino';
import { describeLedger, fixedClock } from '../../hub/ledger/fixtures.ts';
import { openDatabase } from '../../hub/ledger/sql/database.ts';
import { createSqlLedger } from '../../hub/ledger/sql/sql-ledger.ts';
import type { Ledger } from '../../hub/ledger/types.ts';
import { startPostgres } from '../support/postgres.ts';

const logger = pino({ level: process.env['FSO_TEST_LOG'] ?? 'silent' });

/** A life of a hub's ledger on a server. */
const openLedger = async (url: string): Promise<Ledger> => {
  const database = await openDatabase({ url });
  const ledger = await createSqlLedger({ database, clock: fixedClock, random: Math.random, logger });
  await new Promise<void>((resolve) => ledger.onLead(resolve));
  return {
    ...ledger,
    close: async () => {
      await ledger.close();
      await database.close();
    },
  };
};

describeLedger('PostgreSQL', async () => {
  const server = await startPostgres();
  const url = await server.createDatabase();
  return { open: () => openLedger(url), durable: true, destroy: server.stop };
});
