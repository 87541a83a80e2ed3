import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '@fso/shared/fake-clock';
import { EMPTY_DIGEST } from '@fso/shared/protocol';
import { sql } from 'kysely';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { event, fixedClock, policy, report } from '../testing/ledger.ts';
import { openDatabase } from './database.ts';
import { createSqlLedger } from './sql-ledger.ts';

const logged: { level: number; msg: string }[] = [];
const logger = pino({}, { write: (line: string) => void logged.push(JSON.parse(line)) });

it('what fails once a batch is committed neither writes it again nor refuses it', async () => {
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
  expect((await ledger.audit.after(0, 10)).map(({ action }) => action)).toEqual(['cluster.connect', 'cluster.connect', 'token.create']);
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

it('keeps signs of life in memory, and writes one every two minutes, or where the cluster does not count as connected', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-ledger-'));
  const database = await openDatabase({ folder });
  const clock = new FakeClock();
  const ledger = await createSqlLedger({ database, clock, random: Math.random, logger });
  const stream = { id: 'a', isOpen: () => true };
  const written = async () =>
    (await database.db.selectFrom('clusters').select(['last_seen', 'version']).executeTakeFirstOrThrow()).last_seen;
  const seen = async () => (await ledger.cluster('eu'))?.lastSeen;
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

it('takes no delta that does not follow on the last report, and writes of a full one what differs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-ledger-'));
  const database = await openDatabase({ folder });
  const ledger = await createSqlLedger({ database, clock: fixedClock, random: Math.random, logger });
  const stream = { id: 'a', isOpen: () => true };
  const versions = async () =>
    new Map(
      (await database.db.selectFrom('policy_chunks').select(['chunk', 'version']).execute()).map(({ chunk, version }) => [chunk, version]),
    );
  await ledger.openStream('eu', stream);
  const all = ['a', 'b', 'c'].map((name) => policy(name));
  await ledger.applyReport('eu', report(1, { full: true, policies: all }), stream);
  const digest = (await ledger.cluster('eu'))?.reportedDigest;
  await expect(ledger.applyReport('eu', report(3, { policies: [policy('x')], events: [event('Lost')] }), stream)).rejects.toThrow(
    'missing',
  );
  expect(await ledger.cluster('eu')).toMatchObject({ reportedSeq: 1, reportedDigest: digest });
  expect(await ledger.events({ limit: 5 })).toEqual([]);
  const before = await versions();
  let heard = 0;
  ledger.subscribe(() => {
    heard += 1;
  });
  await ledger.applyReport('eu', report(7, { full: true, policies: all.map((each) => ({ ...each })) }), stream);
  expect([await versions(), heard]).toEqual([before, 0]);
  expect(await ledger.cluster('eu')).toMatchObject({ reportedSeq: 7, reportedDigest: digest });
  await ledger.applyReport('eu', report(8, { full: true, policies: [policy('a', { message: 'other' }), policy('b')] }), stream);
  const changed = [...(await versions())].filter(([chunk, version]) => before.get(chunk) !== version);
  expect(changed).toHaveLength(2);
  await ledger.applyReport('eu', report(9, { policies: [policy('c')], removed: [] }), stream);
  await ledger.applyReport('eu', report(10, { policies: [policy('a')] }), stream);
  expect((await ledger.cluster('eu'))?.reportedDigest).toBe(digest);
  // In one transaction: what was there goes, what came after that stays.
  await ledger.setConnected('eu', false, stream);
  await Promise.all([ledger.forgetCluster('eu'), ledger.applyReport('eu', report(1, { full: true, policies: [policy('b')] }))]);
  expect([...((await ledger.cluster('eu'))?.policies.keys() ?? [])]).toEqual(['policies/b']);
  await ledger.close();
  const again = await createSqlLedger({ database, clock: fixedClock, random: Math.random, logger });
  expect([...((await again.cluster('eu'))?.policies.keys() ?? [])]).toEqual(['policies/b']);
  expect((await again.cluster('eu'))?.reportedDigest).not.toBe(EMPTY_DIGEST);
  await again.close();
  await database.close();
  await rm(folder, { recursive: true });
});

it('goes on with a database to which a newer version only added something, as after a rollback, and refuses one that it changed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-ledger-'));
  const clock = new FakeClock();
  const open = async () => {
    const database = await openDatabase({ folder });
    const ledger = await createSqlLedger({ database, clock, random: Math.random, logger });
    const close = async () => {
      await ledger.close();
      await database.close();
    };
    return { database, ledger, close };
  };
  const before = await open();
  await before.ledger.setConnected('eu', true);
  await sql`insert into ledger_migrations values ('9998-add-something', '2030-01-01T00:00:00Z')`.execute(before.database.db);
  await before.close();
  const after = await open();
  expect((await after.ledger.cluster('eu'))?.lastSeen).toBe(clock.now().toISOString());
  await sql`insert into ledger_migrations values ('9999-change-something', '2030-01-01T00:00:00Z')`.execute(after.database.db);
  await after.close();
  const newest = await openDatabase({ folder });
  await expect(createSqlLedger({ database: newest, clock, random: Math.random, logger })).rejects.toThrow(/written by a newer version/);
  await newest.close();
  await rm(folder, { recursive: true });
});
