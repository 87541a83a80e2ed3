import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judgeClusterReport } from '@fso/shared/protocol';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createKeyedCache } from '../../keyed-store.ts';
import { createLedgerCache } from '../../ledger-cache.ts';
import { PolicyLists } from '../../policies/index.ts';
import { ReportMemory, reportLimits } from '../../report-quota.ts';
import { fixedClock, policy, report, source } from '../../testing/ledger.ts';
import { planBatch } from '../batch/plan-batch.ts';
import { openDatabase } from '../database.ts';
import { clearRecords } from '../history/history.ts';
import { migrate } from '../migrate.ts';
import { createSqlLedger } from '../sql-ledger.ts';
import { createReplicaState } from './replica-state.ts';

const stateOf = (deps: Partial<Parameters<typeof createReplicaState>[0]>) =>
  createReplicaState({
    cache: createLedgerCache(10),
    records: createKeyedCache(),
    memory: new ReportMemory(reportLimits()),
    lists: new PolicyLists(),
    eventsInMemory: 10,
    ...deps,
  });

it('what another hub wrote of the repository before does not replace what was written since', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-replica-state-'));
  const database = await openDatabase({ folder });
  await migrate(database);
  const [older, newer] = [source({ lastFetch: '2026-01-03T10:30:00.000Z' }), source({ lastFetch: '2026-01-03T10:31:00.000Z' })];
  const row = { name: 'source' as const, json: JSON.stringify(older), version: 1, writer: 'other' };
  await database.db
    .insertInto('state')
    .values([row, { ...row, name: 'desired', json: '"older"' }])
    .execute();
  const cache = createLedgerCache(10);
  const replicaState = stateOf({ cache });
  await replicaState.load(database.db);
  expect([cache.source(), replicaState.desired]).toEqual([older, 'older']);
  // A batch of its own, version 2; the answer to a question of before comes after it.
  const batch = planBatch([], replicaState, 'own');
  batch.source = newer;
  batch.desired = 'newer';
  replicaState.learn(batch, { version: 2, events: [], damaged: undefined, historyBytes: new Map() });
  await replicaState.refresh(database.reads, []);
  expect([cache.source(), replicaState.source, replicaState.desired]).toEqual([newer, newer, 'newer']);
  await database.db.updateTable('state').set({ version: 3 }).execute();
  await replicaState.refresh(database.reads, []);
  expect([cache.source(), replicaState.desired]).toEqual([older, 'older']);
  await database.close();
  await rm(folder, { recursive: true });
});

it('what removed records have left is cleared, also before a hub that was away has read it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-replica-state-'));
  const database = await openDatabase({ folder });
  const { db } = database;
  await migrate(database);
  const row = (name: string, version: number, value_json: string | null = '"good"') => ({ kind: 'token', name, version, value_json });
  await db
    .insertInto('records')
    .values([row('kept', 1), row('revoked', 2), row('early', 3, null)])
    .execute();
  await db.updateTable('ledger_version').set({ value: 5 }).execute();
  const records = createKeyedCache();
  const replicaState = stateOf({ records });
  await replicaState.load(db);
  const told: string[] = [];
  records.subscribe('token', (name) => told.push(name));
  await db
    .updateTable('records')
    .set(row('revoked', 4, null))
    .where('name', '=', 'revoked')
    .execute();
  const namesLeft = async () => (await db.selectFrom('records').select('name').orderBy('name').execute()).map(({ name }) => name);
  await clearRecords(database, 3, new Date());
  expect(await namesLeft()).toEqual(['cleared', 'kept', 'revoked']);
  await clearRecords(database, 5, new Date());
  expect(await namesLeft()).toEqual(['cleared', 'kept']);
  await replicaState.refresh(db, []);
  expect([records.get('token', 'revoked'), records.get('token', 'kept'), told]).toEqual([undefined, 'good', ['revoked']]);
  // Of this hub's own, not read back yet.
  records.set({ kind: 'token', name: 'new' }, 'good', 9);
  await clearRecords(database, 9, new Date());
  await replicaState.refresh(db, []);
  expect(records.get('token', 'new')).toBe('good');
  await database.close();
  await rm(folder, { recursive: true });
});

it('does not read what a cluster said of itself without bounds', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-replica-state-'));
  const database = await openDatabase({ folder });
  const open = () => createSqlLedger({ database, clock: fixedClock, random: () => 0, logger: pino({ level: 'silent' }) });
  const before = await open();
  const regions = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`region-${at}`, 1]));
  const cluster = judgeClusterReport({}).entry;
  await before.applyReport('small', report(1, { full: true, cluster: { ...cluster, nodesByRegion: regions(1_000) } }));
  await before.applyReport(
    'large',
    report(1, { full: true, policies: [policy('a')], cluster: { ...cluster, nodesByRegion: regions(30_000) } }),
  );
  await before.close();
  const after = await open();
  expect((await after.cluster('small'))?.report?.nodesByRegion).toEqual(regions(1_000));
  const large = await after.cluster('large');
  expect([large?.report, large?.policies.get('policies/a')]).toEqual([null, policy('a')]);
  await after.close();
  await database.close();
  await rm(folder, { recursive: true });
});
