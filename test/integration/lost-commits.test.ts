import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { createHubClient } from '../../hub/cli/client/api-client.ts';
import { type Database, openDatabase } from '../../hub/ledger/sql/database.ts';
import { createSqlLedger } from '../../hub/ledger/sql/sql-ledger.ts';
import { desired, event, fixedClock, policy, report } from '../../hub/ledger/testing/ledger.ts';
import type { Ledger, LedgerChange } from '../../hub/ledger/types.ts';
import { createHubProcess } from '../harness/hub-process.ts';
import { basicRepository } from '../harness/policy-files.ts';
import { startPostgres, type TestPostgres } from '../harness/postgres.ts';
import { connectStream } from '../harness/stream-client.ts';
import { startTcpProxy, type TcpProxy } from '../harness/tcp-proxy.ts';
import { waitFor } from '../harness/waiting.ts';

let server: TestPostgres;
let proxy: TcpProxy;
const databases: Database[] = [];
const ledgers: Ledger[] = [];
beforeAll(async () => {
  server = await startPostgres({ ownServer: true });
});
afterAll(async () => {
  await Promise.all(ledgers.map((ledger) => ledger.close()));
  for (const database of databases) await database.close();
  await proxy.close();
  await server.stop();
});

interface Hub {
  readonly ledger: Ledger;
  readonly changes: LedgerChange[];
}

const open = async (url: string, replica: string): Promise<Hub> => {
  const database = await openDatabase({ url });
  databases.push(database);
  const logger = pino({ level: process.env['FSO_TEST_LOG'] ?? 'silent' });
  const ledger = await createSqlLedger({ database, replica, clock: { ...fixedClock }, random: Math.random, logger });
  ledgers.push(ledger);
  const changes: LedgerChange[] = [];
  ledger.subscribe((change) => changes.push(change));
  return { ledger, changes };
};

const lossesOf = ({ changes }: Hub): number => changes.filter(({ kind }) => kind === 'lost').length;

/** Keeps what the tables of a database hold, as a standby has it that gets nothing from then on. */
const keepState = async (url: string) => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const found = await client.query<{ name: string }>("select tablename as name from pg_tables where schemaname = 'public'");
  // Others refer to clusters.
  const tables = found.rows.map(({ name }) => name).sort((a, b) => Number(b === 'clusters') - Number(a === 'clusters'));
  await client.query(`create schema kept; ${tables.map((name) => `create table kept.${name} as table public.${name};`).join('')}`);
  const { rows: sequences } = await client.query<{ name: string; last: string | null }>(
    "select format('public.%I', sequencename) as name, last_value::text as last from pg_sequences where schemaname = 'public'",
  );
  return {
    /** Makes the database what it was then, as after a fail-over to that standby. */
    restore: async (): Promise<void> => {
      const audited = (word: string) => `alter table audit ${word} trigger user;`;
      const refill = (name: string) => `insert into public.${name} overriding system value select * from kept.${name};`;
      const reset = ({ name, last }: { name: string; last: string | null }) => `select setval('${name}', ${last ?? 1}, ${last !== null});`;
      await client.query(`begin; ${audited('disable')} truncate ${tables}; ${tables.map(refill).join('')} ${audited('enable')}
        ${sequences.map(reset).join('')} commit`);
    },
    close: () => client.end(),
  };
};

const OPEN = { isOpen: () => true };
const FIRST = { id: 'first', ...OPEN };
const reasonsOf = async (ledger: Ledger) => (await ledger.events({ limit: 10 })).map(({ reason }) => reason);
const stateOf = async ({ ledger }: Hub) => ({
  clusters: (await ledger.clusters()).map(({ name, connected, reportedSeq, policies }) => ({
    name,
    connected,
    reportedSeq,
    policies: [...policies.keys()],
  })),
  events: await reasonsOf(ledger),
  token: ledger.records.get('token', 'ci'),
  later: ledger.records.get('token', 'later'),
});

const BEFORE = {
  clusters: [{ name: 'eu', connected: false, reportedSeq: 1, policies: ['policies/a'] }],
  events: ['Early'],
  token: 'good',
  later: undefined,
};

/** Two hubs that know more than their database has. */
const loseCommits = async (lostEvents: number, urlOfA = (url: string) => url) => {
  const url = await server.createDatabase();
  const a = await open(urlOfA(url), 'a');
  await waitFor(() => expect(a.ledger.leads()).toBe(true));
  const b = await open(url, 'b');
  await a.ledger.setDesired(desired('r1'));
  await b.ledger.setDesired(desired('r1'));
  await a.ledger.openStream('eu', FIRST);
  await a.ledger.applyReport('eu', report(1, { full: true, policies: [policy('a')] }), FIRST);
  await a.ledger.addEvent(null, event('Early'));
  await a.ledger.records.update('token', 'ci', () => 'good');
  const kept = await keepState(url);
  await a.ledger.applyReport('eu', report(2, { policies: [policy('b')] }), FIRST);
  await a.ledger.openStream('us', { id: 'of-us', ...OPEN });
  await a.ledger.records.update('token', 'ci', () => undefined);
  await a.ledger.records.update('token', 'later', () => 'good');
  for (let n = 0; n < lostEvents; n += 1) await a.ledger.addEvent(null, event(`Late${n}`));
  await waitFor(async () => expect(await reasonsOf(b.ledger)).toEqual(await reasonsOf(a.ledger)));
  await waitFor(async () => expect(await stateOf(b)).toEqual(await stateOf(a)));
  return {
    a,
    b,
    lose: async () => {
      await kept.restore();
      await kept.close();
    },
  };
};

it('hubs read everything again where their database has lost commits, before any of them writes', async () => {
  const { a, b, lose } = await loseCommits(2);
  await lose();
  for (const hub of [a, b]) {
    await waitFor(() => expect(lossesOf(hub)).toBe(1));
    // The stream of its own that the database has as open is ended by the hub whose it was.
    await waitFor(async () => expect(await stateOf(hub)).toEqual(BEFORE));
  }
  await a.ledger.addEvent(null, event('New'));
  await waitFor(async () => expect(await reasonsOf(b.ledger)).toEqual(['New', 'Early']));
  expect([lossesOf(a), lossesOf(b)]).toEqual([1, 1]);
});

it('a hub that writes to a database which has lost commits plans on what is there', async () => {
  const { a, b, lose } = await loseCommits(20);
  await lose();
  // None of them is refused for what a hub knew before, nor does any count on it.
  const second = { id: 'second', ...OPEN };
  await a.ledger.openStream('eu', second);
  await a.ledger.records.update('token', 'later', (before) => ({ before: before ?? 'none' }));
  await a.ledger.addEvent(null, event('New'));
  expect(lossesOf(a)).toBe(1);
  await expect(a.ledger.applyReport('eu', report(3, { policies: [policy('c')] }), second)).rejects.toThrow(
    'a report before this one is missing',
  );
  await a.ledger.applyReport('eu', report(2, { policies: [policy('c')] }), second);
  const after = {
    clusters: [{ name: 'eu', connected: true, reportedSeq: 2, policies: ['policies/a', 'policies/c'] }],
    events: ['New', 'Early'],
    token: 'good',
    later: { before: 'none' },
  };
  expect(await stateOf(a)).toEqual(after);
  await waitFor(async () => expect(await stateOf(b)).toEqual(after));
  expect(lossesOf(b)).toBe(1);
});

it('a hub reads everything of a server that took over, though others have made more commits than were lost', async (context) => {
  const { kill, start } = server;
  // Only a server of its own can be started again.
  if (kill === undefined || start === undefined) return context.skip();
  const at = new URL(await server.createDatabase());
  proxy = await startTcpProxy({ host: at.hostname, port: Number(at.port) });
  const through = (url: string): string => Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(proxy.port) }).href;
  const { a, b, lose } = await loseCommits(1, through);
  proxy.cut();
  await lose();
  for (let n = 0; n < 20; n += 1) await b.ledger.addEvent(null, event(`New${n}`));
  await kill();
  await start();
  proxy.mend();
  for (const hub of [a, b]) await waitFor(() => expect(lossesOf(hub)).toBe(1));
  for (const hub of [a, b]) await waitFor(async () => expect((await stateOf(hub)).clusters).toEqual(BEFORE.clusters));
  await waitFor(async () => expect(await stateOf(a)).toEqual(await stateOf(b)));

  // Started again, it has lost nothing more.
  await kill();
  await start();
  await a.ledger.addEvent(null, event('Last'));
  await waitFor(async () => expect((await reasonsOf(b.ledger))[0]).toBe('Last'));
  expect([lossesOf(a), lossesOf(b)]).toEqual([1, 1]);
});

it('a hub ends the streams of its agents, which report again what the database has lost', async () => {
  const url = await server.createDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'fso-lost-commits-'));
  const git = await startGitServer({ root: join(folder, 'repositories') });
  await git.create('policies.git');
  const gitUrl = git.url('policies.git');
  await (await openGitRepository(join(folder, 'work'), gitUrl)).commit(basicRepository(), 'first');
  const tokens = new Map([['eu', 'token-of-eu-0123456789']]);
  const hub = await createHubProcess({ name: 'hub', folder, gitUrl, tokens, env: { DATABASE_URL: url } });
  await hub.start();
  const connect = async (seq: number) => {
    const stream = await connectStream(hub.agentUrl, tokens.get('eu') ?? '', 'eu');
    stream.hello();
    const welcome = await stream.next('welcome');
    stream.send({ type: 'report', seq, full: true, policies: [policy('a')], removed: [], events: [] });
    await stream.next('reported');
    return { stream, known: welcome.reported.seq };
  };
  const connectionOf = async () => (await createHubClient({ server: hub.url }).cluster('eu')).connection;
  const before = await connect(1);
  const kept = await keepState(url);
  before.stream.send({ type: 'report', seq: 2, full: false, policies: [policy('b')], removed: [], events: [] });
  await before.stream.next('reported');
  await kept.restore();
  expect(await before.stream.closed).toMatchObject({ code: 1001, reason: expect.stringContaining('come back within') });
  await waitFor(async () => expect(await connectionOf()).toBe('Disconnected'));
  const after = await connect(2);
  expect([before.known, after.known, await connectionOf()]).toEqual([0, 1, 'Connected']);
  after.stream.close();
  await kept.close();
  await hub.stop();
  await git.stop();
  await rm(folder, { recursive: true, force: true });
});
