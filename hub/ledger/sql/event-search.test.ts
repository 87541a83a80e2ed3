import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fixedClock } from '../fixtures.ts';
import type { Ledger } from '../types.ts';
import { type Database, openDatabase } from './database.ts';
import { migrate } from './migrate.ts';
import { fillEventTimes } from './migrations/0003-event-search.ts';
import { createSqlLedger } from './sql-ledger.ts';

const EVENTS = 52_000;
const ENTRIES = 52_000;

let folder: string;
let database: Database;
let ledger: Ledger;
/** One event and one entry a minute; every event has a text beyond ASCII, and the oldest a word of its own. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-search-'));
  database = await openDatabase({ folder });
  const { db } = database;
  await migrate(db);
  await sql`insert into events (cluster, policy, severity, reason, time_ms, digest, event_json)
    select 'eu', null, 'info', 'R', case when n = 5 then null else extract(epoch from timestamptz '2026-01-01Z' + n * interval '1 minute') * 1000 end, n::text, '{"time":"' || to_char(timestamp '2026-01-01' + n * interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SS".000Z"') ||
      '","severity":"info","reason":"R","message":"' || case when n = 1 then 'Needle Ünder' else 'hay' end || '"}'
    from generate_series(1, ${EVENTS}) as n`.execute(db);
  await fillEventTimes(db);
  await sql`insert into audit (sequence, entry_json)
    select n, '{"action":"' || case when n = 1 then 'test.needle' else 'test.hay' end || '","actor":{"id":"hub","kind":"hub","roles":[]},"detail":{},"from":null,"hash":"' ||
      repeat('0', 64) || '","previous":"' || repeat('0', 64) || '","sequence":' || n || ',"subject":"s","time":"' ||
      to_char(timestamp '2026-01-01' + n * interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SS".000Z"') || '"}'
    from generate_series(1, ${ENTRIES}) as n`.execute(db);
  ledger = await createSqlLedger({ database, clock: fixedClock, random: Math.random, logger: pino({ level: 'silent' }) });
});
afterAll(async () => {
  await ledger.close();
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

it.each(['needle', 'ünder'])('a search for %j says how far it came, and goes on from there', async (q) => {
  const first = await ledger.searchEvents({ q, limit: 10 });
  expect([first.events, first.next]).toEqual([[], EVENTS - 50_000 + 1]);
  const second = await ledger.searchEvents({ q, limit: 10, before: first.next ?? 0 });
  expect([second.events.map(({ id }) => id), second.next]).toEqual([[1], null]);
});

it('a short time is found at once, wherever it is', async () => {
  const day = { since: '2026-01-01T00:00:00.000Z', until: '2026-01-01T00:05:00.000Z' };
  const { events, next } = await ledger.searchEvents({ ...day, limit: 3 });
  expect([events.map(({ id }) => id), next]).toEqual([[5, 4, 3], 3]);
  expect((await ledger.searchEvents({ ...day, limit: 3, before: 3 })).events.map(({ id }) => id)).toEqual([2, 1]);
  const { entries } = await ledger.audit.search({ filter: { ...day, action: 'test.needle' }, order: 'desc', from: undefined, limit: 3 });
  expect(entries.map(({ sequence }) => sequence)).toEqual([1]);
});

it('nothing is looked at for who is gone', async () => {
  const signal = AbortSignal.abort();
  expect(await ledger.searchEvents({ q: 'needle', limit: 10, signal })).toEqual({ events: [], next: null });
});

it('a search of the audit log says how far it came; a reader of all of it gets all', async () => {
  const { audit } = ledger;
  const search = { filter: { action: 'test.needle' }, order: 'desc', limit: 10 } as const;
  const first = await audit.search({ ...search, from: undefined });
  expect(first).toEqual({ entries: [], next: ENTRIES - 50_000 + 1 });
  const second = await audit.search({ ...search, from: first.next ?? 0 });
  expect([second.entries.map(({ sequence }) => sequence), second.next]).toEqual([[1], null]);
  expect(await audit.list({ action: 'test.needle', limit: 10 })).toEqual(second.entries);
});
