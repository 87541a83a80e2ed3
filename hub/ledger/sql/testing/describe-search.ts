import { canonicalJson } from '@fso/shared/encoding';
import { NO_HASH } from '@fso/shared/protocol';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixedClock } from '../../testing/ledger.ts';
import type { Ledger } from '../../types.ts';
import type { Database } from '../database.ts';
import { clearHistory } from '../history/history.ts';
import { migrate } from '../migrate.ts';
import { createSqlLedger } from '../sql-ledger.ts';

/** A database that a test has for itself; `close` takes away all of it. */
export interface TestDatabase {
  readonly database: Database;
  close(): Promise<void>;
}

const EVENTS = 52_000;
const ENTRIES = 52_000;
const ROWS = 1_000;
const FIRST = Date.parse('2026-01-01T00:00:00Z');
const timeOf = (n: number): string => new Date(FIRST + n * 60_000).toISOString();

/**
 * Builds the event of minute n. Every event has a text beyond ASCII, and the oldest a word of its
 * own.
 */
const eventRow = (n: number) => ({
  cluster: 'eu',
  policy: null,
  severity: 'info',
  reason: 'R',
  received: timeOf(n),
  time_ms: FIRST + n * 60_000,
  digest: String(n),
  event_json: JSON.stringify({ time: timeOf(n), severity: 'info', reason: 'R', message: n === 1 ? 'Needle Ünder' : 'hay' }),
});

/** Builds the audit entry of minute n, in canonical form. */
const auditRow = (n: number) => ({
  sequence: n,
  entry_json: canonicalJson({
    action: n === 1 ? 'test.needle' : 'test.hay',
    actor: { id: 'hub', kind: 'hub', roles: [] },
    detail: {},
    from: null,
    hash: NO_HASH,
    previous: NO_HASH,
    sequence: n,
    subject: 's',
    time: timeOf(n),
  }),
});

const fill = async ({ database }: TestDatabase): Promise<void> => {
  await migrate(database);
  await database.db.transaction().execute(async (trx) => {
    for (let at = 1; at <= EVENTS; at += ROWS) {
      const numbers = Array.from({ length: ROWS }, (_, i) => at + i);
      await trx.insertInto('events').values(numbers.map(eventRow)).execute();
      await trx.insertInto('audit').values(numbers.map(auditRow)).execute();
    }
  });
};

/** Tests the clearing of old events, and of those of a cluster with too many. */
const itClearsEvents = (database: () => Database): void => {
  it('clears old events, and those beyond the bound, in the end', async () => {
    let most = 0;
    const db = database().db.withPlugin({
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        const counts = result.rows.map(({ count = 0 }) => Number(count));
        most = Math.max(
          most,
          counts.reduce((sum, count) => sum + count, 0),
        );
        return result;
      },
    });
    const now = new Date(FIRST + (5 * 60 + 1) * 60_000 + 86_400_000);
    const never = new AbortController().signal;
    expect(await clearHistory(db, { days: 1, events: EVENTS }, now, never)).toEqual({ deleted: 300, left: 0 });
    expect(await clearHistory(db, { days: 1, events: 40_000 }, now, never)).toEqual({ deleted: EVENTS - 300 - 40_000, left: 0 });
    expect(await clearHistory(db, { days: 1, events: 40_000 }, now, never)).toEqual({ deleted: 0, left: 0 });
    // Of a hundred million events a statement that counts them all takes longer than statements
    // may.
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(50_000);
    const left = await db
      .selectFrom('events')
      .select((eb) => [eb.fn.min('id').as('first'), eb.fn.countAll().as('count')])
      .executeTakeFirst();
    expect([Number(left?.first), Number(left?.count)]).toEqual([EVENTS - 40_000 + 1, 40_000]);
  });

  it('clears events of a cluster with very many before those of the others', async () => {
    const { db } = database();
    const row = (cluster: string | null, n: number) => ({ ...eventRow(EVENTS + n), cluster, digest: `${cluster} ${n}` });
    const rare = [row('us', 1), row(null, 2), row('us', 3)];
    const flood = Array.from({ length: ROWS }, (_, i) => row('eu', 10 + i));
    for (const values of [rare, flood]) await db.insertInto('events').values(values).execute();
    const now = new Date(FIRST + (EVENTS + 2 * ROWS) * 60_000);
    await clearHistory(db, { days: 36_500, events: 503 }, now, new AbortController().signal);
    const left = await db.selectFrom('events').select(['cluster', 'digest']).orderBy('id').execute();
    expect(left.map(({ digest }) => digest)).toEqual([...rare, ...flood.slice(-500)].map(({ digest }) => digest));
  });
};

/** Defines the tests of searching and clearing many rows, the same on both databases. */
export const describeSearch = (what: string, openTest: () => Promise<TestDatabase>): void => {
  describe(`search on ${what}`, () => {
    let test: TestDatabase;
    let ledger: Ledger;
    beforeAll(async () => {
      test = await openTest();
      await fill(test);
      ledger = await createSqlLedger({
        database: test.database,
        clock: fixedClock,
        random: Math.random,
        logger: pino({ level: 'silent' }),
      });
    });
    afterAll(async () => {
      await ledger.close();
      await test.close();
    });

    it.each(['needle', 'ünder'])('searches for %j within a bound, and continues from there', async (q) => {
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
      const { entries } = await ledger.audit.search({
        filter: { ...day, action: 'test.needle' },
        order: 'desc',
        from: undefined,
        limit: 3,
      });
      expect(entries.map(({ sequence }) => sequence)).toEqual([1]);
    });

    it('stops searching for a caller that is gone', async () => {
      const signal = AbortSignal.abort();
      expect(await ledger.searchEvents({ q: 'needle', limit: 10, signal })).toEqual({ events: [], next: null });
    });

    it('reports how far a search of the audit log came, and lets a reader of all of it read on', async () => {
      const { audit } = ledger;
      const search = { filter: { action: 'test.needle' }, order: 'desc', limit: 10 } as const;
      const first = await audit.search({ ...search, from: undefined });
      expect(first).toEqual({ entries: [], next: ENTRIES - 50_000 + 1 });
      const second = await audit.search({ ...search, from: first.next ?? 0 });
      expect([second.entries.map(({ sequence }) => sequence), second.next]).toEqual([[1], null]);
      expect(await audit.list({ action: 'test.needle', limit: 10 })).toEqual(second.entries);
    });

    itClearsEvents(() => test.database);
  });
};
