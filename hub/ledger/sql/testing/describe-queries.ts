import { type CompiledQuery, sql, type Transaction } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../migrate.ts';
import type { Schema } from '../schema.ts';
import type { TestDatabase } from './describe-search.ts';

/** Defines the tests of queries that are run together, the same on both databases. */
export const describeQueries = (name: string, open: () => Promise<TestDatabase>): void => {
  describe(`queries run together on ${name}`, () => {
    let test: TestDatabase;
    beforeAll(async () => {
      test = await open();
      await migrate(test.database);
    });
    afterAll(() => test.close());

    const insert = (trx: Transaction<Schema>, record: string): CompiledQuery<{ name: string }> =>
      trx.insertInto('records').values({ kind: 'test', name: record, value_json: null, version: 1 }).returning('name').compile();
    const stored = async (): Promise<string[]> => {
      const rows = await test.database.reads.selectFrom('records').select('name').where('kind', '=', 'test').orderBy('name').execute();
      return rows.map((row) => row.name);
    };

    it('return each its own rows in order, and see earlier writes', async () => {
      const { db, runAll } = test.database;
      const rows = await db.transaction().execute((trx) => {
        const count = sql<{ count: number }>`select count(*) as count from records where kind = 'test'`.compile(trx);
        return runAll(trx, [count, insert(trx, 'a'), insert(trx, 'b'), count]);
      });
      expect(rows).toEqual([[{ count: 0 }], [{ name: 'a' }], [{ name: 'b' }], [{ count: 2 }]]);
      expect(await stored()).toEqual(['a', 'b']);
    });

    it('end with the first that fails, whose transaction leaves nothing and holds up no other', async () => {
      const { db, runAll } = test.database;
      const work = db.transaction().execute((trx) => runAll(trx, [insert(trx, 'c'), insert(trx, 'a'), insert(trx, 'd')]));
      await expect(work).rejects.toThrow(/unique/i);
      expect(await stored()).toEqual(['a', 'b']);
      await db.transaction().execute((trx) => runAll(trx, [insert(trx, 'e')]));
      expect(await stored()).toEqual(['a', 'b', 'e']);
    });

    it('are a transaction with the queries after them', async () => {
      const { db, runAll } = test.database;
      const work = db.transaction().execute(async (trx) => {
        await runAll(trx, [insert(trx, 'f')]);
        await trx.executeQuery(insert(trx, 'g'));
        throw new Error('changed my mind');
      });
      await expect(work).rejects.toThrow('changed my mind');
      expect(await stored()).toEqual(['a', 'b', 'e']);
    });

    it('commit where they are the last of a transaction, and leave nothing where one of them fails', async () => {
      const { db, runAll, runLast } = test.database;
      await db.transaction().execute(async (trx) => {
        await runAll(trx, [insert(trx, 'l')]);
        await runLast(trx, [insert(trx, 'm')]);
      });
      await db.transaction().execute((trx) => runLast(trx, []));
      await db.transaction().execute((trx) => runLast(trx, [insert(trx, 'n')]));
      expect(await stored()).toEqual(['a', 'b', 'e', 'l', 'm', 'n']);
      const failing = db.transaction().execute(async (trx) => {
        await runAll(trx, [insert(trx, 'o')]);
        await runLast(trx, [insert(trx, 'p'), insert(trx, 'a')]);
      });
      await expect(failing).rejects.toThrow(/unique/i);
      expect(await stored()).toEqual(['a', 'b', 'e', 'l', 'm', 'n']);
      await db.deleteFrom('records').where('kind', '=', 'test').where('name', 'in', ['l', 'm', 'n']).execute();
    });

    it('may be empty, or have an empty transaction', async () => {
      const { db, runAll } = test.database;
      expect(await db.transaction().execute(async (trx) => runAll(trx, []))).toEqual([]);
      expect(await db.transaction().execute(async () => 'nothing')).toBe('nothing');
      await expect(db.transaction().execute(() => Promise.reject(new Error('before it began')))).rejects.toThrow('before it began');
      await db.transaction().execute((trx) => runAll(trx, [insert(trx, 'h')]));
      expect(await stored()).toEqual(['a', 'b', 'e', 'h']);
    });
  });
};
