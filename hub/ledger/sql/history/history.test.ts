import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '@fso/shared/fake-clock';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { event, policy, report } from '../../testing/ledger.ts';
import type { Ledger } from '../../types.ts';
import { type Database, openDatabase } from '../database.ts';
import { migrate } from '../migrate.ts';
import { createSqlLedger } from '../sql-ledger.ts';
import { advanceRetention, clearCheckpoints, clearHistory } from './history.ts';
import { HistoryKeeper } from './history-keeper.ts';

const DAY_MS = 86_400_000;
const START = new Date('2026-01-01T00:00:00.000Z');
const daysLater = (days: number): Date => new Date(START.getTime() + days * DAY_MS);
const never = new AbortController().signal;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-history-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('clearing', () => {
  let database: Database;
  beforeEach(async () => {
    database = await openDatabase({ folder });
    await migrate(database);
  });
  afterEach(() => database.close());

  const addEvent = async (n: number, received: Date): Promise<void> => {
    const row = { severity: 'info', reason: 'A', received: received.toISOString(), time_ms: received.getTime(), event_json: '{}' };
    await database.db
      .insertInto('events')
      .values({ ...row, cluster: null, policy: null, digest: `${n}` })
      .execute();
  };
  const digests = async (): Promise<string[]> =>
    (await database.db.selectFrom('events').select('digest').orderBy('id').execute()).map(({ digest }) => digest);

  it('keeps the last old checkpoint of each hour and key, and all new ones', async () => {
    const row = (sequence: number, time: string, key = 'a') => ({ sequence, time, key, hash: 'h', signature: 's' });
    await database.db
      .insertInto('checkpoints')
      .values([
        row(1, '2026-01-01T10:00:00.000Z'),
        row(2, '2026-01-01T10:58:00.000Z'),
        row(3, '2026-01-01T10:59:00.000Z', 'b'),
        row(4, '2026-01-01T11:00:00.000Z', 'b'),
        row(5, '2026-01-01T11:01:00.000Z', 'b'),
        row(6, '2026-02-01T10:00:00.000Z', 'b'),
        row(7, '2026-02-01T10:01:00.000Z', 'b'),
      ])
      .execute();
    const now = new Date('2026-02-02T00:00:00Z');
    await clearCheckpoints(database.db, now);
    await clearCheckpoints(database.db, now);
    const left = await database.db.selectFrom('checkpoints').select('sequence').orderBy('sequence').execute();
    expect(left.map(({ sequence }) => sequence)).toEqual([2, 3, 5, 6, 7]);
  });

  it('follows the clock from the newest event, at most a day further each time', async () => {
    const advance = (days: number) => advanceRetention(database, daysLater(days));
    await addEvent(1, START);
    expect(await advance(400)).toEqual(daysLater(1));
    // What was received by a wrong clock is no reason to believe it.
    await addEvent(2, daysLater(400));
    expect(await advance(400)).toEqual(daysLater(2));
    expect(await advance(0.5)).toEqual(daysLater(0.5));
    expect(await advance(1)).toEqual(daysLater(1));
    // A clock that was far behind once is no reason to catch up for years.
    expect(await advanceRetention(database, new Date(0))).toEqual(new Date(0));
    // A hub that was off catches up.
    for (let days = 3; days <= 30; days += 1) expect(await advance(30)).toEqual(daysLater(days));
    expect(await advance(30.5)).toEqual(daysLater(30.5));
  });

  it('follows the clock without a history', async () => {
    expect(await advanceRetention(database, daysLater(7))).toEqual(daysLater(7));
  });

  it('deletes at most a fifth of the events for their age, the oldest first, and all that are old in the end', async () => {
    for (let n = 0; n < 10; n += 1) await addEvent(n, n < 7 ? new Date(START.getTime() + n) : daysLater(5));
    const clear = () => clearHistory(database.db, { days: 1, events: 100 }, daysLater(3), never);
    expect([await clear(), await digests()]).toEqual([{ deleted: 2, left: 5 }, ['2', '3', '4', '5', '6', '7', '8', '9']]);
    const rest = [];
    for (let n = 0; n < 5; n += 1) rest.push(await clear());
    expect(rest).toEqual([2, 2, 1, 0, 0].map((deleted, n) => ({ deleted, left: [3, 1, 0, 0, 0][n] })));
    expect(await digests()).toEqual(['7', '8', '9']);
  });

  it('folds at most a fifth of the history of a cluster for its age, and all old history in the end', async () => {
    for (let n = 0; n < 10; n += 1) {
      const time = n < 7 ? new Date(START.getTime() + n).toISOString() : daysLater(5).toISOString();
      const row = { cluster: 'eu', time, changes_json: JSON.stringify([{ time, accepted: `${n}` }]) };
      await database.db.insertInto('cluster_history').values(row).execute();
    }
    const keeper = new HistoryKeeper({ ...database, logger: pino({ level: 'silent' }), signal: never });
    const clear = async () => {
      const left = await keeper.clear(daysLater(2).toISOString());
      return [left, (await database.db.selectFrom('cluster_history').select('id').execute()).length];
    };
    const all = [];
    for (let n = 0; n < 5; n += 1) all.push(await clear());
    expect(all).toEqual([
      [1, 8],
      [1, 6],
      [0, 4],
      [0, 4],
      [0, 4],
    ]);
  });
});

describe('a hub whose clock is wrong once', () => {
  /** The whole life of a hub whose clock is some days ahead. */
  const live = async (days: number, work: (ledger: Ledger, clock: FakeClock) => Promise<void>): Promise<void> => {
    const clock = new FakeClock(daysLater(days));
    const database = await openDatabase({ folder });
    const ledger = await createSqlLedger({ database, clock, random: Math.random, logger: pino({ level: 'silent' }) });
    // It clears, and then waits for the next time.
    const cleared = () => expect.poll(() => clock.sleeping).toBe(1);
    await cleared();
    await work(ledger, clock);
    await clock.advance(3_600_000);
    await cleared();
    await ledger.close();
    await database.close();
  };
  const stateOf = async (ledger: Ledger) => ({
    events: (await ledger.events({ limit: 500 })).map(({ reason }) => reason),
    history: (await ledger.clusterHistory({ cluster: 'eu', policy: 'policies/a', limit: 500 })).changes,
  });

  it('deletes no event and no history of a cluster', async () => {
    let before: Awaited<ReturnType<typeof stateOf>> | undefined;
    await live(0, async (ledger, clock) => {
      for (let n = 1; n <= 100; n += 1) {
        const phase = n % 2 === 0 ? 'Active' : 'Pending';
        await clock.advance(1_000);
        await ledger.applyReport('eu', report(n, { full: n === 1, policies: [policy('a', { phase })], events: [event(`E${n}`)] }));
      }
      before = await stateOf(ledger);
    });
    await live(401, (ledger) => ledger.addEvent('eu', event('Late')));
    await live(0.1, async (ledger) => {
      const after = await stateOf(ledger);
      expect(after).toEqual({ events: ['Late', ...(before?.events ?? [])], history: before?.history });
      expect([after.events.length, after.history.length]).toEqual([101, 100]);
    });
  });
});
