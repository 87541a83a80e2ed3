import { systemClock } from '@fso/shared/runtime';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Database, openDatabase } from '../../hub/ledger/sql/database.ts';
import { createSqlLedger } from '../../hub/ledger/sql/sql-ledger.ts';
import { event } from '../../hub/ledger/testing/ledger.ts';
import type { Ledger } from '../../hub/ledger/types.ts';
import { startPostgres, type TestPostgres } from '../harness/postgres.ts';
import { startTcpProxy, type TcpProxy } from '../harness/tcp-proxy.ts';
import { waitFor } from '../harness/waiting.ts';

/** Lowered; still far more than a statement takes on a busy machine. */
const TIMEOUTS = { connectMs: 3_000, statementMs: 3_000 };
/** Connections that a hub writes by. */
const WRITE_CONNECTIONS = 3;

interface Hub {
  readonly database: Database;
  readonly ledger: Ledger;
  /** Attempts of writes that failed. */
  readonly failures: () => number;
}

let server: TestPostgres;
let url: URL;
let proxy: TcpProxy;
let hubs: Hub[];
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());
beforeEach(async () => {
  url = new URL(await server.createDatabase());
  proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port || 5432) });
  hubs = [];
});
afterEach(async () => {
  for (const { ledger, database } of hubs) {
    await ledger.close();
    await database.close();
  }
  await proxy.close();
});

const through = (): URL => Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(proxy.port) });

const open = async ({ href }: URL, replica: string): Promise<Hub> => {
  const database = await openDatabase({ url: href, timeouts: TIMEOUTS });
  const logger = pino({ level: process.env['FSO_TEST_LOG'] ?? 'silent' });
  let failures = 0;
  const onCommit = (result: 'ok' | 'error'): void => {
    if (result === 'error') failures += 1;
  };
  const ledger = await createSqlLedger({ database, replica, clock: systemClock, random: Math.random, logger, onCommit });
  const hub = { database, ledger, failures: () => failures };
  hubs.push(hub);
  return hub;
};

const reasonsIn = async (ledger: Ledger): Promise<string[]> => (await ledger.events({ limit: 10 })).map(({ reason }) => reason).sort();

it('writes on a new connection once the existing ones are dead', async () => {
  const { database, ledger, failures } = await open(through(), 'a');
  await ledger.addEvent(null, event('Before'));
  // As many as a hub may have.
  const sleep = () => database.db.transaction().execute((trx) => sql`select pg_sleep(0.1)`.execute(trx));
  await Promise.all(Array.from({ length: WRITE_CONNECTIONS }, sleep));
  proxy.freeze();
  const written = ledger.addEvent(null, event('After')).then(() => 'written');
  const tooLate = waitFor(() => expect(failures()).toBeGreaterThan(WRITE_CONNECTIONS)).then(() => 'still waits');
  expect(await Promise.race([written, tooLate])).toBe('written');
  tooLate.catch(() => undefined);
  await waitFor(() => expect([ledger.health(), ledger.leads()]).toEqual([{ ok: true }, true]));
  expect(await reasonsIn(ledger)).toEqual(['After', 'Before']);
});

it('continues after a network without traffic, and writes nothing twice', async () => {
  const { ledger, failures } = await open(through(), 'a');
  await ledger.addEvent(null, event('Before'));
  proxy.cut();
  const written = ledger.addEvent(null, event('Meanwhile'));
  await waitFor(() => expect(failures()).toBeGreaterThan(1));
  expect(ledger.health()).toMatchObject({ ok: false });
  proxy.mend();
  await written;
  await waitFor(() => expect([ledger.health(), ledger.leads()]).toEqual([{ ok: true }, true]));
  expect(await reasonsIn(ledger)).toEqual(['Before', 'Meanwhile']);
});

/** Port by which the server knows the connection that gives the signs of life of the only hub. */
const signOfLifePort = ({ database }: Hub): Promise<number> =>
  waitFor(async () => {
    const { rows } = await sql<{ port: number }>`
      select client_port as port from pg_stat_activity
      where datname = current_database() and query ~ 'insert into (leader|replicas) '`.execute(database.reads);
    expect(rows).toHaveLength(1);
    return rows[0]?.port ?? 0;
  });

it('gives up the lead while its writes are not answered, until one is committed', async () => {
  const a = await open(through(), 'a');
  await waitFor(() => expect(a.ledger.leads()).toBe(true));
  const port = await signOfLifePort(a);
  const b = await open(url, 'b');
  proxy.cut(port);
  const late = a.ledger.addEvent(null, event('Late'));
  await waitFor(() => expect([a.ledger.leads(), b.ledger.leads()]).toEqual([false, true]));
  proxy.mend();
  await late;
  expect([a.ledger.leads(), b.ledger.leads()]).toEqual([false, true]);
  await b.ledger.close();
  await b.database.close();
  hubs.pop();
  await waitFor(() => expect(a.ledger.leads()).toBe(true));
});

it('keeps the lead and renews its lease while it reads a large backlog of other writers', async () => {
  const { ledger } = await open(url, 'a');
  let terms = 0;
  ledger.onLead(() => {
    terms += 1;
  });
  await waitFor(() => expect(terms).toBe(1));
  const other = await openDatabase({ url: url.href });
  const reader = await other.connect();
  const beat = async (): Promise<{ alive: Date; led: Date; blocked: number }> => {
    const { rows } = await reader.query(`
      select (select heartbeat from replicas where id = 'a') as alive, (select heartbeat from leader) as led,
        (select count(*) from pg_locks where not granted) as blocked`);
    return rows[0];
  };
  await other.db.transaction().execute(async (trx) => {
    await sql`set local idle_in_transaction_session_timeout = 0`.execute(trx);
    await sql`lock table events in access exclusive mode`.execute(trx);
    await waitFor(async () => expect((await beat()).blocked).toBeGreaterThan(0));
    for (let beats = 0; beats < 3; beats += 1) {
      const before = await beat();
      await waitFor(async () => {
        const now = await beat();
        expect([now.alive > before.alive, now.led > before.led]).toEqual([true, true]);
      });
    }
  });
  expect([ledger.leads(), terms]).toEqual([true, 1]);
  await reader.end();
  await other.close();
});
