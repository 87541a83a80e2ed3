import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Database, openDatabase } from '../../hub/ledger/sql/database.ts';
import { createSqlLedger } from '../../hub/ledger/sql/sql-ledger.ts';
import { fixedClock, source } from '../../hub/ledger/testing/ledger.ts';
import type { Ledger } from '../../hub/ledger/types.ts';
import { startPostgres, type TestPostgres } from '../harness/postgres.ts';
import { startTcpProxy, type TcpProxy } from '../harness/tcp-proxy.ts';
import { waitFor } from '../harness/waiting.ts';

let server: TestPostgres;
let proxy: TcpProxy;
const databases: Database[] = [];
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => {
  for (const database of databases) await database.close();
  await proxy.close();
  await server.stop();
});

const open = async (url: string, replica: string): Promise<Ledger> => {
  const database = await openDatabase({ url });
  databases.push(database);
  const logger = pino({ level: process.env['FSO_TEST_LOG'] ?? 'silent' });
  return createSqlLedger({ database, replica, clock: { ...fixedClock }, random: Math.random, logger });
};
const view = (revision: string) => source({ url: revision });

it('a leader without a network is replaced, and its late writes change nothing', async () => {
  const url = new URL(await server.createDatabase());
  proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port || 5432) });
  const through = new URL(url);
  [through.hostname, through.port] = ['127.0.0.1', String(proxy.port)];
  const a = await open(through.href, 'a');
  await waitFor(() => expect(a.leads()).toBe(true));
  const b = await open(url.href, 'b');
  await a.openStream('eu', { id: 'of-a', isOpen: () => true });
  await a.setSource(view('first'));
  await waitFor(async () => expect((await b.cluster('eu'))?.connected).toBe(true));
  expect(b.leads()).toBe(false);

  proxy.cut();
  // Submitted while it still considers itself the leader.
  expect(a.leads()).toBe(true);
  const late = a.setSource(view('late'));
  await waitFor(() => expect(b.leads()).toBe(true));
  // It has stopped by itself, without contact to the database.
  expect(a.leads()).toBe(false);
  // Its connections are unknown.
  await waitFor(async () => expect((await b.cluster('eu'))?.connected).toBe(false));
  await b.setSource(view('new'));

  proxy.mend();
  await late;
  await waitFor(async () => expect((await a.source())?.url).toBe('new'));
  expect((await b.source())?.url).toBe('new');
  await a.setSource(view('later'));
  expect([(await a.source())?.url, a.leads(), b.leads()]).toEqual(['new', false, true]);

  // A hub that stops gives up leadership at once.
  await b.close();
  await waitFor(() => expect(a.leads()).toBe(true));
  await a.setSource(view('last'));
  expect((await a.source())?.url).toBe('last');
  await a.close();
});
