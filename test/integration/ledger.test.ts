import { systemClock } from '@fso/shared/runtime';
import { type Kysely, sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backupLedger } from '../../hub/ledger/backup/backup.ts';
import { checkBackup, restoreLedger } from '../../hub/ledger/backup/restore.ts';
import { openDatabase, openReader } from '../../hub/ledger/sql/database.ts';
import { advanceRetention, clearCheckpoints, clearHistory, forgetReplicas } from '../../hub/ledger/sql/history/history.ts';
import { HistoryKeeper } from '../../hub/ledger/sql/history/history-keeper.ts';
import { migrate } from '../../hub/ledger/sql/migrate.ts';
import { openLedger } from '../../hub/ledger/sql/open-ledger.ts';
import type { Schema } from '../../hub/ledger/sql/schema.ts';
import { createSqlLedger } from '../../hub/ledger/sql/sql-ledger.ts';
import { describeAuditLog } from '../../hub/ledger/sql/testing/describe-audit-log.ts';
import { describeNamedLists } from '../../hub/ledger/sql/testing/describe-named-lists.ts';
import { describeQueries } from '../../hub/ledger/sql/testing/describe-queries.ts';
import { describeSearch, type TestDatabase } from '../../hub/ledger/sql/testing/describe-search.ts';
import { describeLedger } from '../../hub/ledger/testing/describe-ledger.ts';
import { event, fixedClock, policy, report } from '../../hub/ledger/testing/ledger.ts';
import type { Ledger } from '../../hub/ledger/types.ts';
import { startPostgres, type TestPostgres } from '../harness/postgres.ts';
import { waitFor } from '../harness/waiting.ts';

const logger = pino({ level: process.env['FSO_TEST_LOG'] ?? 'silent' });
const never = new AbortController().signal;
const HISTORY = { days: 400, events: 1_000_000 };

/** A hub's ledger on a PostgreSQL server. */
const open = async (url: string): Promise<Ledger> => {
  const ledger = await openLedger({ database: { url }, history: HISTORY, clock: fixedClock, random: Math.random, logger }, never);
  await new Promise<void>((resolve) => ledger.onLead(resolve));
  return ledger;
};

describeLedger('PostgreSQL', async () => {
  const server = await startPostgres();
  const url = await server.createDatabase();
  return { open: () => open(url), durable: true, destroy: server.stop };
});

const openTest = async (): Promise<TestDatabase> => {
  const server = await startPostgres();
  const database = await openDatabase({ url: await server.createDatabase() });
  return {
    database,
    close: async () => {
      await database.close();
      await server.stop();
    },
  };
};
describeAuditLog('PostgreSQL', openTest);
describeSearch('PostgreSQL', openTest);
describeQueries('PostgreSQL', openTest);
describeNamedLists('PostgreSQL', openTest);

describe('a PostgreSQL server that goes away', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres({ ownServer: true });
  });
  afterAll(() => server.stop());

  it('is reported once: reads continue, writes wait, nothing is lost or doubled', async () => {
    const lines: { level: number; msg: string }[] = [];
    const capturedLog = pino({ level: 'warn' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const database = await openDatabase({ url: await server.createDatabase() });
    const ledger = await createSqlLedger({ database, clock: fixedClock, random: Math.random, logger: capturedLog, maxQueued: 50 });
    await ledger.applyReport('eu', report(1, { full: true, policies: [policy('a')] }));
    await server.kill?.();
    const writes = Array.from({ length: 200 }, (_, i) =>
      ledger.applyReport('eu', report(i + 2, { policies: [policy(`p${i}`)], events: [event(`E${i}`)] })),
    );
    await waitFor(() => expect(ledger.health()).toMatchObject({ ok: false, message: expect.stringMatching(/./) }));
    expect((await ledger.cluster('eu'))?.policies.size).toBe(1);
    expect(await ledger.events({ limit: 10 })).toEqual([]);
    await server.start?.();
    await Promise.all(writes);
    expect(ledger.health()).toEqual({ ok: true });
    expect((await ledger.cluster('eu'))?.reportedSeq).toBe(201);
    await ledger.close();
    const next = await createSqlLedger({ database, clock: fixedClock, random: Math.random, logger: capturedLog });
    expect((await next.cluster('eu'))?.policies.size).toBe(201);
    const reasons = (await next.events({ limit: 500 })).map(({ reason }) => reason);
    expect([reasons.length, new Set(reasons).size]).toEqual([200, 200]);
    await next.close();
    await database.close();
    expect(lines.map(({ msg }) => msg)).toEqual(['ledger database unreachable']);
  });

  it('is noticed by a hub without writes, which then is not ready', async () => {
    const clock = { ...systemClock, offsetMs: 0, monotonicMs: () => performance.now() + clock.offsetMs };
    const messages: string[] = [];
    const capturedLog = pino({ level: 'warn' }, { write: (line: string) => void messages.push(JSON.parse(line).msg) });
    const database = await openDatabase({ url: await server.createDatabase() });
    const ledger = await createSqlLedger({ database, clock, random: Math.random, logger: capturedLog });
    await waitFor(() => expect([ledger.leads(), ledger.health().ok]).toEqual([true, true]));
    await server.kill?.();
    clock.offsetMs += 11_000;
    await waitFor(() => expect([ledger.health().ok, ledger.behindMs() > 10_000]).toEqual([false, true]));
    await waitFor(() => expect(messages).toContain('changes of other hubs are not read: what they revoke is not known here'));
    await server.start?.();
    await waitFor(() => expect([ledger.health(), ledger.behindMs() < 10_000]).toEqual([{ ok: true }, true]));
    await ledger.close();
    await database.close();
  });

  it('delays the start until it is available, and its password appears in no log', async () => {
    const url = new URL(await server.createDatabase());
    await server.kill?.();
    const lines: string[] = [];
    const capturedLog = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
    const options = { history: HISTORY, clock: { ...fixedClock }, random: () => 0, logger: capturedLog };
    const opening = openLedger({ ...options, database: { url: url.href } }, never);
    await waitFor(() => expect(lines.join('')).toContain('ledger database is waited for'));
    await server.start?.();
    const ledger = await opening;
    await ledger.addEvent(null, event('There'));
    await ledger.close();
    const stop = new AbortController();
    const wrong = new URL(url);
    wrong.password = 'not-the-password';
    const refused = openLedger({ ...options, database: { url: wrong.href } }, stop.signal).catch((error: unknown) => error);
    await waitFor(() => expect(lines.join('')).toMatch(/password authentication failed/));
    stop.abort(new Error('stopped'));
    expect(String(await refused)).toBe('Error: stopped');
    expect(lines.join('')).not.toContain(url.password);
    expect(lines.join('')).not.toContain('not-the-password');
  });
});

describe('a database with other writers', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  it('a hub that was cut off for days still finds its last batch', async () => {
    const database = await openDatabase({ url: await server.createDatabase() });
    await migrate(database);
    const beat = (days: number) => sql`insert into replicas values (${`away ${days}`}, 7, now() - make_interval(days => ${days}))`;
    for (const days of [2, 20, 40]) await beat(days).execute(database.db);
    await forgetReplicas(database.db, 'own');
    await clearCheckpoints(database.db, new Date());
    const left = await database.db.selectFrom('replicas').select('id').orderBy('id').execute();
    expect(left.map(({ id }) => id)).toEqual(['away 2', 'away 20']);
    await database.close();
  });

  it('the history ages by the clock of the server where that of a hub is ahead', async () => {
    const url = await server.createDatabase();
    const ledger = await open(url);
    for (let seq = 1; seq <= 3; seq += 1)
      await ledger.applyReport('eu', report(seq, { policies: [policy(`p${seq}`)], events: [event(`E${seq}`)] }));
    const database = await openDatabase({ url });
    const { rows } = await sql<{ ahead: Date }>`select now() + interval '400 days' as ahead`.execute(database.db);
    const ahead = rows[0]?.ahead ?? new Date(0);
    const time = await advanceRetention(database, ahead);
    expect(ahead.getTime() - time.getTime()).toBeGreaterThan(399 * 86_400_000);
    const signal = new AbortController().signal;
    expect(await clearHistory(database.db, HISTORY, time, signal)).toEqual({ deleted: 0, left: 0 });
    expect(await clearHistory(database.db, HISTORY, new Date(ahead.getTime() + 86_400_000), signal)).toEqual({ deleted: 1, left: 2 });
    expect(await new HistoryKeeper({ ...database, logger, signal }).clear(ahead.toISOString())).toBe(1);
    await database.close();
    await ledger.close();
  });

  it('a batch that is too large for one transaction is written in parts', async () => {
    const url = await server.createDatabase();
    const ledger = await open(url);
    const database = await openDatabase({ url });
    // Like a server that cancels a slow statement.
    const limited = `create function limit_rows() returns trigger language plpgsql as $$ begin
      if (select count(*) from added) > 10 then raise exception 'too slow' using errcode = 'query_canceled'; end if;
      return null; end $$`;
    await sql.raw(limited).execute(database.db);
    const on =
      'create trigger limit_rows after insert on events referencing new table as added for each statement execute function limit_rows()';
    await sql.raw(on).execute(database.db);
    const writes = Array.from({ length: 50 }, (_, i) =>
      ledger.applyReport(
        'eu',
        report(i + 1, { policies: [policy(`p${i}`, { phase: 'Failed' })], events: [event(`E${i}`), event(`F${i}`)] }),
      ),
    );
    await Promise.all(writes);
    expect((await ledger.cluster('eu'))?.reportedSeq).toBe(50);
    expect(await ledger.countEvents({ cluster: 'eu', limit: 1_000 })).toBe(100);
    // All are well again, in one statement.
    await ledger.applyReport('eu', report(51, { removed: Array.from({ length: 50 }, (_, i) => `policies/p${i}`) }));
    const rows = await database.db.selectFrom('reports').selectAll().execute();
    expect(rows).toEqual([]);
    await database.close();
    await ledger.close();
  });

  it('a migration has no time limit on its statements, but one on waiting for locks', async () => {
    const database = await openDatabase({ url: await server.createDatabase() });
    const settingsIn = (db: Kysely<Schema>) =>
      sql<{
        name: string;
        setting: string;
      }>`select name, setting from pg_settings where name in ('statement_timeout', 'lock_timeout') order by name`
        .execute(db)
        .then(({ rows }) => rows.map(({ name, setting }) => `${name} ${setting}`));
    expect(await database.patiently(settingsIn)).toEqual(['lock_timeout 10000', 'statement_timeout 0']);
    expect(await settingsIn(database.db)).toEqual(['lock_timeout 0', 'statement_timeout 30000']);
    await database.close();
  });

  it('a database of a newer version is left alone', async () => {
    const url = await server.createDatabase();
    await (await open(url)).close();
    const database = await openDatabase({ url });
    await sql.raw(`insert into ledger_migrations values ('9999-future', '2030-01-01T00:00:00Z')`).execute(database.db);
    await database.close();
    await expect(open(url)).rejects.toThrow(/written by a newer version/);
  });

  it('a write waits for no read, however many there are', async () => {
    const url = await server.createDatabase();
    const database = await openDatabase({ url });
    const ledger = await createSqlLedger({ database, clock: fixedClock, random: Math.random, logger });
    const holder = await database.connect();
    await holder.query('select pg_advisory_lock(1)');
    const reads = Array.from({ length: 20 }, () => sql`select pg_advisory_lock_shared(1)`.execute(database.reads));
    const proofs = ledger.audit.proofs();
    await ledger.addEvent('eu', event('WrittenBatch'));
    expect(ledger.health()).toEqual({ ok: true });
    await holder.end();
    await Promise.all([...reads, proofs]);
    await ledger.close();
    await database.close();
  });
});

describe('backup', () => {
  it('restores a server into another database', async () => {
    const server = await startPostgres();
    const { mkdtemp, rm } = await import('node:fs/promises');
    const folder = await mkdtemp('/tmp/fso-backup-');
    const from = await server.createDatabase();
    const ledger = await open(from);
    await ledger.setConnected('eu', true);
    await ledger.applyReport(
      'eu',
      report(1, { full: true, policies: [policy('a'), policy('b', { phase: 'Failed' })], events: [event('A')] }),
    );
    const source = await openReader({ url: from });
    const path = `${folder}/backup.gz`;
    await backupLedger(source, { path, version: 'test' });
    await expect(source.snapshot((db) => db.deleteFrom('events').execute())).rejects.toThrow(/read-only/);
    await source.close();
    const to = await server.createDatabase();
    const target = await openDatabase({ url: to });
    // An empty database has no backup, and the command creates no tables in it.
    await expect(backupLedger(target, { path: `${folder}/none.gz`, version: 'test' })).rejects.toThrow('holds no ledger');
    expect(await target.db.introspection.getTables()).toEqual([]);
    await restoreLedger(target, await checkBackup(`${folder}/backup.gz`), { kind: 'operator', id: 'ada', roles: [] });
    await target.close();
    const restored = await open(to);
    expect((await restored.cluster('eu'))?.policies).toEqual((await ledger.cluster('eu'))?.policies);
    expect((await restored.events({ limit: 5 })).map(({ reason }) => reason)).toEqual(['A']);
    expect(await restored.audit.verify()).toMatchObject({ ok: true, entries: 2 });
    await Promise.all([ledger.close(), restored.close()]);
    await rm(folder, { recursive: true });
    await server.stop();
  });
});
