import { sql } from 'kysely';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedClock } from '../../testing/ledger.ts';
import type { Ledger } from '../../types.ts';
import { createSqlLedger } from '../sql-ledger.ts';
import type { TestDatabase } from './describe-search.ts';

const entry = (subject: string) => ({
  actor: { kind: 'hub' as const, id: 'hub', roles: [] },
  from: null,
  action: 'test.entry',
  subject,
  detail: {},
});

/** Statements by which the owner of the database lifts the triggers that protect the audit log. */
const LIFT = {
  server: ['alter table audit disable trigger audit_append_only'],
  embedded: ['drop trigger audit_no_update', 'drop trigger audit_no_delete'],
};

/** Tests of the audit log whose rows are changed, the same on both databases. */
export const describeAuditLog = (what: string, openTest: () => Promise<TestDatabase>): void => {
  describe(`audit log on ${what}`, () => {
    let test: TestDatabase;
    let logged: { readonly msg: string; readonly sequence?: number }[];
    beforeEach(async () => {
      test = await openTest();
      logged = [];
    });
    afterEach(() => test.close());

    const open = (): Promise<Ledger> => {
      const logger = pino({ level: 'error' }, { write: (line: string) => void logged.push(JSON.parse(line)) });
      return createSqlLedger({ database: test.database, clock: fixedClock, random: Math.random, logger });
    };
    const ask = (statement: string) => sql.raw(statement).execute(test.database.db);
    const lift = async (): Promise<void> => {
      for (const statement of LIFT[test.database.shared ? 'server' : 'embedded']) await ask(statement);
    };
    const overwrite = async (sequence: number, text: string): Promise<void> => {
      await lift();
      await test.database.db.updateTable('audit').set({ entry_json: text }).where('sequence', '=', sequence).execute();
    };

    it.each(['{"hash": "cut o', '{"hash":7}'])('writes after a last entry that reads %j, and reports it once', async (text) => {
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

    it('continues after an entry with changed content by its hash', async () => {
      const ledger = await open();
      await ledger.audit.append(entry('a'));
      const { hash } = await ledger.audit.head();
      await overwrite(1, JSON.stringify({ hash, more: 1 }));
      await ledger.audit.append(entry('b'));
      expect((await ledger.audit.after(1, 1)).map(({ previous }) => previous)).toEqual([hash]);
      expect(logged).toEqual([]);
      await ledger.close();
    });

    it('refuses changes, and finds those that bypass the triggers', async () => {
      const ledger = await open();
      for (let n = 1; n <= 5; n += 1) await ledger.audit.append(entry(`s${n}`));
      expect(await ledger.audit.verify()).toMatchObject({ ok: true, entries: 5 });
      await expect(ask(`update audit set entry_json = replace(entry_json, 's3', 's9')`)).rejects.toThrow(/append-only/);
      await expect(ask('delete from audit where sequence = 5')).rejects.toThrow(/append-only/);
      await expect(ask(test.database.shared ? 'truncate audit' : 'delete from audit')).rejects.toThrow(/append-only/);
      await lift();
      // Parses to the same entry, but is another text.
      await ask(`update audit set entry_json = replace(entry_json, '"subject"', ' "subject"') where sequence = 2`);
      expect((await ledger.audit.verify()).problems.map(({ sequence }) => sequence)).toContain(2);
      await ask(`update audit set entry_json = replace(entry_json, ' "subject"', '"subject"') where sequence = 2`);
      expect(await ledger.audit.verify()).toMatchObject({ ok: true });
      await ask('delete from audit where sequence = 3');
      expect((await ledger.audit.verify()).problems[0]?.message).toBe('entries 3 to 3 are missing');
      await ledger.close();
    });
  });
};
