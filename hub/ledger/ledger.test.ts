import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { openDatabase } from './sql/database.ts';
import { createSqlLedger } from './sql/sql-ledger.ts';
import { describeLedger } from './testing/describe-ledger.ts';
import { event, fixedClock } from './testing/ledger.ts';
import { createMemoryLedger } from './testing/memory-ledger.ts';

describeLedger('memory', async () => ({
  open: async () => createMemoryLedger({ clock: fixedClock }),
  durable: false,
  destroy: async () => undefined,
}));

describeLedger('embedded', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-ledger-'));
  return {
    open: async () => {
      const database = await openDatabase({ folder });
      const ledger = await createSqlLedger({ database, clock: fixedClock, random: Math.random, logger: pino({ level: 'silent' }) });
      return {
        ...ledger,
        close: async () => {
          await ledger.close();
          await database.close();
        },
      };
    },
    durable: true,
    destroy: () => rm(folder, { recursive: true, force: true }),
  };
});

it('keeps a bounded history in memory', async () => {
  const ledger = createMemoryLedger({ clock: fixedClock, eventLimit: 3 });
  for (const reason of ['A', 'B', 'C', 'D']) await ledger.addEvent(null, event(reason));
  expect((await ledger.events({ limit: 10 })).map(({ reason }) => reason)).toEqual(['D', 'C', 'B']);
});

it('keeps the events of a cluster while another sends very many', async () => {
  const ledger = createMemoryLedger({ clock: fixedClock, eventLimit: 20 });
  await ledger.addEvent('us', event('Rare'));
  for (let n = 0; n < 100; n += 1) await ledger.addEvent('eu', event(`Flood${n}`));
  expect((await ledger.events({ cluster: 'us', limit: 10 })).map(({ reason }) => reason)).toEqual(['Rare']);
});
