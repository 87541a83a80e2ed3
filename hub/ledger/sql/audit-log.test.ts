import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fixedClock } from '../fixtures.ts';
import { type Database, openDatabase } from './database.ts';
import { createSqlLedger } from './sql-ledger.ts';

const entry = (subject: string) => ({
  actor: { kind: 'hub' as const, id: 'hub', roles: [] },
  from: null,
  action: 'test.entry',
  subject,
  detail: {},
});

let folder: string;
let database: Database;
let logged: { readonly msg: string; readonly sequence?: number }[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-audit-'));
  database = await openDatabase({ folder });
  logged = [];
});
afterEach(async () => {
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

const open = () => {
  const logger = pino({ level: 'error' }, { write: (line: string) => void logged.push(JSON.parse(line)) });
  return createSqlLedger({ database, clock: fixedClock, random: Math.random, logger });
};

/** As somebody does who owns the database. */
const overwrite = async (sequence: number, text: string): Promise<void> => {
  await sql`alter table audit disable trigger audit_append_only`.execute(database.db);
  await database.db.updateTable('audit').set({ entry_json: text }).where('sequence', '=', sequence).execute();
};

it.each(['{"hash": "cut o', '{"hash":7}'])('a last entry that reads %j stops no write, and is told once', async (text) => {
  const ledger = await open();
  for (const subject of ['a', 'b']) await ledger.audit.append(entry(subject));
  await overwrite(2, text);
  expect((await ledger.audit.head()).sequence).toBe(2);
  for (const subject of ['c', 'd']) await ledger.audit.append(entry(subject));
  const listed = await ledger.audit.list({ limit: 10 });
  expect(listed.map(({ action, subject }) => `${action} ${subject}`)).toEqual([
    'test.entry d',
    'test.entry c',
    'entry.unreadable ',
    'test.entry a',
  ]);
  const { ok, problems } = await ledger.audit.verify();
  expect([ok, problems.map(({ sequence }) => sequence)]).toEqual([false, [2]]);
  expect(logged.map(({ msg, sequence }) => [msg, sequence])).toEqual([['audit log damaged: its last entry cannot be read', 2]]);
  await ledger.close();
});

it('an entry whose content alone was changed is followed on by its hash', async () => {
  const ledger = await open();
  await ledger.audit.append(entry('a'));
  const { hash } = await ledger.audit.head();
  await overwrite(1, JSON.stringify({ hash, more: 1 }));
  await ledger.audit.append(entry('b'));
  expect((await ledger.audit.after(1, 1)).map(({ previous }) => previous)).toEqual([hash]);
  expect(logged).toEqual([]);
  await ledger.close();
});
