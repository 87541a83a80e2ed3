import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { byText } from '@fso/shared/encoding';
import { FakeClock } from '@fso/shared/fake-clock';
import { EMPTY_DIGEST } from '@fso/shared/protocol';
import { sql } from 'kysely';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { neverSeenCluster } from '../changes.ts';
import { PolicyLists } from '../policies/index.ts';
import { reportedDigest } from '../record-report.ts';
import { event, fixedClock, policy, report } from '../testing/ledger.ts';
import type { Ledger } from '../types.ts';
import { type Database, openDatabase } from './database.ts';
import { HistoryKeeper } from './history/history-keeper.ts';
import { readClusters } from './replicas/load.ts';
import { createSqlLedger } from './sql-ledger.ts';

const logged: { level: number; msg: string }[] = [];
const logger = pino({}, { write: (line: string) => void logged.push(JSON.parse(line)) });

it('keeps a committed batch when a later step fails: it is neither repeated nor refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-ledger-'));
  const database = await openDatabase({ folder });
  const ledger = await createSqlLedger({ database, clock: fixedClock, random: Math.random, logger });
  let failures = 2;
  ledger.subscribe(() => {
    failures -= 1;
    if (failures >= 0) throw new RangeError('Maximum call stack size exceeded');
  });
  const count = (before: unknown) => ({ n: ((before as { n: number } | undefined)?.n ?? 0) + 1 });
  const actor = { kind: 'user' as const, id: 'ada', roles: [] };
  await Promise.all([
    ledger.setConnected('eu', true),
    ledger.setConnected('us', true),
    ledger.addEvent('eu', event('A')),
    ledger.records.update('counter', 'a', count),
    ledger.audit.append({ actor, from: null, action: 'token.create', subject: 'ci', detail: {} }),
  ]);
  expect(ledger.records.get('counter', 'a')).toEqual({ n: 1 });
  expect((await ledger.audit.after(0, 10)).map(({ action }) => action)).toEqual(['cluster.connect', 'token.create']);
  expect((await ledger.clusters()).map(({ name, connected }) => [name, connected])).toEqual([
    ['eu', true],
    ['us', true],
  ]);
  expect((await ledger.events({ limit: 10 })).map(({ reason }) => reason)).toEqual(['A']);
  expect(ledger.health()).toEqual({ ok: true });
  expect(logged.filter(({ level }) => level === 60)).toHaveLength(1);
  await ledger.close();
  await database.close();
  await rm(folder, { recursive: true });
});

it('keeps signs of life in memory, and writes one every two minutes, or where the cluster is not connected', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-ledger-'));
  const database = await openDatabase({ folder });
  const clock = new FakeClock();
  const ledger = await createSqlLedger({ database, clock, random: Math.random, logger });
  const stream = { id: 'a', isOpen: () => true };
  const written = async () =>
    (await database.db.selectFrom('clusters').select(['last_seen', 'version']).executeTakeFirstOrThrow()).last_seen;
  const seen = async () => (await ledger.cluster('eu'))?.lastSeen?.at;
  await ledger.openStream('eu', stream);
  const first = await written();
  await clock.advance(15_000);
  await ledger.noteSeen('eu', stream);
  expect([await written(), await seen()]).toEqual([first, clock.now().toISOString()]);
  await clock.advance(120_000);
  await ledger.noteSeen('eu', stream);
  expect([await written(), await seen()]).toEqual([clock.now().toISOString(), clock.now().toISOString()]);
  // As the leader says of a hub that gave no sign of life itself.
  await ledger.setConnected('eu', false);
  await clock.advance(1_000);
  await ledger.noteSeen('eu', stream);
  expect(await ledger.cluster('eu')).toMatchObject({ connected: true });
  expect(await written()).toBe(clock.now().toISOString());
  await ledger.close();
  await database.close();
  await rm(folder, { recursive: true });
});

it('refuses a delta that does not follow the last report, and writes of a full report the differences', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-ledger-'));
  const database = await openDatabase({ folder });
  const ledger = await createSqlLedger({ database, clock: fixedClock, random: Math.random, logger });
  const stream = { id: 'a', isOpen: () => true };
  const stored = async () =>
    new Map(
      (await database.db.selectFrom('reports').select(['policy', 'report_json']).execute()).map((row) => [row.policy, row.report_json]),
    );
  await ledger.openStream('eu', stream);
  const all = ['a', 'b', 'c'].map((name) => policy(name));
  await ledger.applyReport('eu', report(1, { full: true, policies: all }), stream);
  const digestNow = async (of: Ledger) => reportedDigest((await of.cluster('eu')) ?? neverSeenCluster('eu'));
  const digest = await digestNow(ledger);
  await expect(ledger.applyReport('eu', report(3, { policies: [policy('x')], events: [event('Lost')] }), stream)).rejects.toThrow(
    'missing',
  );
  expect([(await ledger.cluster('eu'))?.reportedSeq, await digestNow(ledger)]).toEqual([1, digest]);
  expect(await ledger.events({ limit: 5 })).toEqual([]);
  const before = await stored();
  let heard = 0;
  ledger.subscribe(() => {
    heard += 1;
  });
  await ledger.applyReport('eu', report(7, { full: true, policies: all.map((each) => ({ ...each })) }), stream);
  expect([await stored(), heard]).toEqual([before, 0]);
  expect([(await ledger.cluster('eu'))?.reportedSeq, await digestNow(ledger)]).toEqual([7, digest]);
  await ledger.applyReport('eu', report(8, { full: true, policies: [policy('a', { message: 'other' }), policy('b')] }), stream);
  const after = await stored();
  expect([...after.keys()].toSorted(byText)).toEqual(['policies/a', 'policies/b']);
  expect([...after].filter(([key, json]) => before.get(key) !== json).map(([key]) => key)).toEqual(['policies/a']);
  await ledger.applyReport('eu', report(9, { policies: [policy('c')], removed: [] }), stream);
  await ledger.applyReport('eu', report(10, { policies: [policy('a')] }), stream);
  expect(await digestNow(ledger)).toBe(digest);
  // In one transaction: what was there goes, what came after that stays.
  await ledger.setConnected('eu', false, stream);
  await Promise.all([ledger.forgetCluster('eu'), ledger.applyReport('eu', report(1, { full: true, policies: [policy('b')] }))]);
  expect([...((await ledger.cluster('eu'))?.policies.keys() ?? [])]).toEqual(['policies/b']);
  await ledger.close();
  const again = await createSqlLedger({ database, clock: fixedClock, random: Math.random, logger });
  expect([...((await again.cluster('eu'))?.policies.keys() ?? [])]).toEqual(['policies/b']);
  expect(await digestNow(again)).not.toBe(EMPTY_DIGEST);
  await again.close();
  await database.close();
  await rm(folder, { recursive: true });
});

const openOn = async (folder: string, clock: FakeClock) => {
  const database = await openDatabase({ folder });
  const ledger = await createSqlLedger({ database, clock, random: Math.random, logger, history: { days: 1, events: 10 } });
  const stateAt = async (at: string) => {
    const { connected, accepted, policy: found } = await ledger.policyStateAt({ cluster: 'eu', policy: 'policies/a', at });
    return [connected?.value, accepted?.value, found?.value?.phase];
  };
  const close = async () => {
    await ledger.close();
    await database.close();
  };
  return { database, ledger, stateAt, close };
};

it('ignores what an older program has kept of another stream', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-ledger-'));
  const first = await openOn(folder, new FakeClock());
  await first.ledger.openStream('eu', { id: 'a', isOpen: () => true }, { outOfDate: ['Pod'] });
  const read = async (stream: string) => {
    await first.database.db.updateTable('clusters').set({ stream }).execute();
    return await first.database.db.transaction().execute(async (db) => {
      const nothing = { record: neverSeenCluster('eu'), connectedBy: null, stream: null, version: 0, writtenSeen: null };
      for await (const { record } of readClusters(db, ['eu'], { lists: new PolicyLists(), knownOf: () => nothing }))
        return record.notObserved?.what;
      return undefined;
    });
  };
  expect([await read('a'), await read('b')]).toEqual([['Pod'], undefined]);
  await first.close();
  await rm(folder, { recursive: true });
});

it('records the end of a stream whose hub was killed, and a gap where an older program wrote', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-ledger-'));
  const clock = new FakeClock();
  const now = () => clock.now().toISOString();
  const first = await openOn(folder, clock);
  const stream = { id: 'a', isOpen: () => true };
  await first.ledger.openStream('eu', stream);
  await first.ledger.setAck('eu', { revision: 'a'.repeat(40), digest: null });
  await first.ledger.applyReport('eu', report(1, { full: true, policies: [policy('a')] }));
  const known = ['a'.repeat(40), 'Active'];
  // Its agent has not said yet that it is so.
  expect(await first.stateAt(now())).toEqual([undefined, ...known]);
  await clock.advance(60_000);
  await first.ledger.confirmStream('eu', stream);
  const confirmed = now();
  expect(await first.stateAt(confirmed)).toEqual([true, ...known]);
  await clock.advance(60_000);
  // As kill -9 leaves it.
  await first.close();
  const second = await openOn(folder, clock);
  expect([await second.stateAt(confirmed), await second.stateAt(now())]).toEqual([
    [false, ...known],
    [false, ...known],
  ]);
  await clock.advance(60_000);
  await second.ledger.setConnected('eu', true);
  await second.ledger.setConnected('us', true);
  const before = now();
  await clock.advance(60_000);
  // A program without history: it records another commit, notices no end, and forgets a cluster.
  const { db } = second.database;
  await db
    .updateTable('ledger_version')
    .set((eb) => ({ value: eb('value', '+', 1) }))
    .execute();
  const { value: version } = await db.selectFrom('ledger_version').select('value').executeTakeFirstOrThrow();
  await db
    .updateTable('clusters')
    .set({ acked_revision: 'b'.repeat(40), last_seen: now(), version })
    .where('name', '=', 'eu')
    .execute();
  await db.deleteFrom('clusters').where('name', '=', 'us').execute();
  await clock.advance(60_000);
  expect(await second.stateAt(now())).toEqual([undefined, undefined, undefined]);
  expect(await second.stateAt(confirmed)).toEqual([false, ...known]);
  await second.close();
  const third = await openOn(folder, clock);
  const around = (ms: number) => new Date(Date.parse(before) + ms).toISOString();
  expect(await third.stateAt(around(-1))).toEqual([false, ...known]);
  expect(await third.stateAt(around(1))).toEqual([undefined, undefined, undefined]);
  expect(await third.stateAt(around(100_000))).toEqual([undefined, undefined, undefined]);
  expect(await third.stateAt(now())).toEqual([false, 'b'.repeat(40), 'Active']);
  const { connected } = await third.ledger.policyStateAt({ cluster: 'us', policy: 'policies/a', at: now() });
  expect(connected).toBeUndefined();
  const { history, value } = await third.database.db.selectFrom('ledger_version').selectAll().executeTakeFirstOrThrow();
  expect(history).toBe(value);
  await third.close();
  await rm(folder, { recursive: true });
});

const bytesOf = async ({ db }: Database): Promise<number> => {
  const sum = sql<number>`sum(length(changes_json))`.as('bytes');
  return (await db.selectFrom('cluster_history').select(sum).executeTakeFirstOrThrow()).bytes;
};

const rowsOf = async ({ db }: Database): Promise<number> => (await db.selectFrom('cluster_history').select('id').execute()).length;

it("keeps what is still current of a cluster's old history", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-ledger-'));
  const clock = new FakeClock();
  const { database, ledger, stateAt, close } = await openOn(folder, clock);
  await ledger.setConnected('eu', true);
  await ledger.setAck('eu', { revision: 'a'.repeat(40), digest: null });
  const phases = ['Pending', 'Active', 'Failed', 'Active'] as const;
  const times: string[] = [];
  for (const [at, phase] of phases.entries()) {
    await clock.advance(60_000);
    times.push(clock.now().toISOString());
    await ledger.applyReport('eu', report(at + 1, { full: at === 0, policies: [policy('a', { phase }), policy('b')] }));
  }
  expect(await rowsOf(database)).toBe(6);
  const keeper = new HistoryKeeper({ ...database, logger, signal: new AbortController().signal });
  const clear = () => keeper.clear(new Date(Date.parse(times[2] as string) + 1).toISOString());
  while ((await clear()) > 0);
  for (const _again of [1, 2]) {
    await clear();
    expect(await rowsOf(database)).toBe(2);
  }
  const phasesThen = (await Promise.all(times.map(stateAt))).map(([, , phase]) => phase);
  expect(phasesThen).toEqual([undefined, undefined, 'Failed', 'Active']);
  expect((await stateAt(times[2] as string)).slice(0, 2)).toEqual([true, 'a'.repeat(40)]);
  await close();
  await rm(folder, { recursive: true });
});

it("keeps a few megabytes of an endless history of one cluster, and all of the others'", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-ledger-'));
  const clock = new FakeClock();
  const { database, ledger, stateAt, close } = await openOn(folder, clock);
  await ledger.setConnected('quiet', true);
  const names = Array.from({ length: 3_000 }, (_, n) => `${'x'.repeat(200)}-${n}`);
  const reportAll = (seq: number, phase: 'Active' | 'Failed') =>
    ledger.applyReport(
      'eu',
      report(seq, { full: seq === 1, policies: [policy('a', { phase }), ...names.map((name) => policy(name, { phase }))] }),
    );
  for (let seq = 1; seq <= 20; seq += 1) {
    await clock.advance(1_000);
    await reportAll(seq, seq % 2 === 0 ? 'Active' : 'Failed');
  }
  const now = clock.now().toISOString();
  await expect.poll(() => bytesOf(database)).toBeLessThan(9 * 1024 * 1024);
  expect((await stateAt(now))[2]).toBe('Active');
  expect((await ledger.policyStateAt({ cluster: 'quiet', policy: 'policies/a', at: now })).connected?.value).toBe(true);
  await close();
  await rm(folder, { recursive: true });
});

it('accepts a database with additions of a newer version, as after a rollback, and refuses a changed one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-ledger-'));
  const clock = new FakeClock();
  const before = await openOn(folder, clock);
  await before.ledger.setConnected('eu', true);
  await sql`insert into ledger_migrations values ('9998-add-something', '2030-01-01T00:00:00Z')`.execute(before.database.db);
  await before.close();
  const after = await openOn(folder, clock);
  expect((await after.ledger.cluster('eu'))?.lastSeen?.at).toBe(clock.now().toISOString());
  await sql`insert into ledger_migrations values ('9999-change-something', '2030-01-01T00:00:00Z')`.execute(after.database.db);
  await after.close();
  const newest = await openDatabase({ folder });
  await expect(createSqlLedger({ database: newest, clock, random: Math.random, logger })).rejects.toThrow(/written by a newer version/);
  await newest.close();
  await rm(folder, { recursive: true });
});
