import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judgeClusterReport } from '@fso/shared/protocol';
import { standingOf } from '@fso/shared/status';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { neverSeenCluster } from '../../changes.ts';
import { KeyedCache } from '../../keyed-store.ts';
import { LedgerCache } from '../../ledger-cache.ts';
import { PolicyLists } from '../../policies/index.ts';
import { ReportMemory, reportLimits } from '../../report-quota.ts';
import { fixedClock, policy, report, source } from '../../testing/ledger.ts';
import { planBatch } from '../batch/plan-batch.ts';
import { openDatabase } from '../database.ts';
import { clearRecords } from '../history/history.ts';
import { migrate } from '../migrate.ts';
import { createSqlLedger } from '../sql-ledger.ts';
import { readClusters } from './load.ts';
import { ReplicaState } from './replica-state.ts';

const stateOf = (deps: Partial<ConstructorParameters<typeof ReplicaState>[0]>) =>
  new ReplicaState({
    cache: new LedgerCache(10),
    records: new KeyedCache(),
    memory: new ReportMemory(reportLimits()),
    lists: new PolicyLists(),
    eventsInMemory: 10,
    ...deps,
  });

it("keeps newer records when another hub's earlier write about the repository arrives", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-replica-state-'));
  const database = await openDatabase({ folder });
  await migrate(database);
  const [older, newer] = [source({ lastFetch: '2026-01-03T10:30:00.000Z' }), source({ lastFetch: '2026-01-03T10:31:00.000Z' })];
  const row = { name: 'source' as const, json: JSON.stringify(older), version: 1, writer: 'other' };
  await database.db
    .insertInto('state')
    .values([row, { ...row, name: 'desired', json: '"older"' }])
    .execute();
  const cache = new LedgerCache(10);
  const replicaState = stateOf({ cache });
  await replicaState.load(database.db);
  expect([cache.source(), replicaState.desired]).toEqual([older, 'older']);
  // A batch of its own, version 2; the answer to a question of before comes after it.
  const batch = await planBatch([], replicaState, 'own');
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

it('clears removed records, also before a hub that was away has read the removal', async () => {
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
  const records = new KeyedCache();
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

it("bounds what it reads of a cluster's own texts", async () => {
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

it('reads clusters with megabytes of deviations a few at a time', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-replica-state-'));
  const database = await openDatabase({ folder });
  const ledger = await createSqlLedger({ database, clock: fixedClock, random: () => 0, logger: pino({ level: 'silent' }) });
  const large = Array.from({ length: 12_000 }, (_, n) => `${'x'.repeat(240)}${n}`);
  const deviation = standingOf(policy('any', { phase: 'Failed' }));
  const clusters = Array.from({ length: 20 }, (_, n) => [`cluster-${n}`, n < 3 ? large : ['one']] as const);
  for (const [name, policies] of clusters) await ledger.applyReport(name, report(1, { full: true, deviations: [{ deviation, policies }] }));
  await ledger.close();
  // Bytes of deviations that each query got, of those that got any.
  const sizes: number[] = [];
  const recorded = database.db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      const size = result.rows.reduce((sum, { deviations_json: json }) => sum + (typeof json === 'string' ? json.length : 0), 0);
      if (size > 0) sizes.push(size);
      return result;
    },
  });
  const names = clusters.map(([name]) => name);
  const counts = new Map<string, number>();
  const nothing = (name: string) => ({ record: neverSeenCluster(name), connectedBy: null, stream: null, version: 0, writtenSeen: null });
  for await (const { record } of readClusters(recorded, names, { lists: new PolicyLists(), knownOf: nothing }))
    counts.set(record.name, record.policies.size);
  expect(counts).toEqual(new Map(clusters.map(([name, policies]) => [name, policies.length])));
  expect([sizes.length, Math.max(...sizes) < 4 * 1024 * 1024]).toEqual([3, true]);
  await database.close();
  await rm(folder, { recursive: true });
});
