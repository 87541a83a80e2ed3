import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { standingOf } from '@fso/shared/status';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { clusterReport, fixedClock, policy, report } from '../../testing/ledger.ts';
import type { Ledger } from '../../types.ts';
import { type Database, openDatabase } from '../database.ts';
import { createSqlLedger } from '../sql-ledger.ts';

let folder: string;
let database: Database;
let ledger: Ledger;
const open = () => createSqlLedger({ database, clock: fixedClock, random: Math.random, logger: pino({ level: 'silent' }) });
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-write-clusters-'));
  database = await openDatabase({ folder });
  ledger = await open();
});
afterEach(async () => {
  await ledger.close();
  await database.close();
  await rm(folder, { recursive: true });
});

const [failed, pending] = (['Failed', 'Pending'] as const).map((phase) => standingOf(policy('any', { phase })));
/** Groups of policies that all deviate alike. */
const named = (deviation = failed, ...policies: string[]) => (deviation === undefined ? [] : [{ deviation, policies }]);
const stream = { id: 'a', isOpen: () => true };

const read = async () => {
  const columns = ['deviations_json', 'reported_seq', 'last_seen', 'connected_by'] as const;
  return database.db.selectFrom('clusters').select(columns).where('name', '=', 'eu').executeTakeFirstOrThrow();
};
const stored = async (): Promise<unknown> => JSON.parse((await read()).deviations_json ?? 'null');
/** Value that remains where a write does not touch the column. */
const MARK = named(pending, 'mark');
const mark = () =>
  database.db
    .updateTable('clusters')
    .set({ deviations_json: JSON.stringify(MARK) })
    .execute();

it('writes the deviations of a cluster only where they change', async () => {
  await ledger.openStream('eu', stream);
  await ledger.applyReport('eu', report(1, { full: true, deviations: named(failed, 'a', 'b') }), stream);
  expect(await stored()).toEqual(named(failed, 'a', 'b'));
  await mark();
  await ledger.confirmStream('eu', stream);
  await ledger.setOffered('eu', 'c'.repeat(40), stream);
  await ledger.applyReport('eu', report(2, { policies: [policy('local')] }), stream);
  await ledger.applyReport('eu', report(3, { deviations: named(failed, 'a'), removed: ['policies/local'] }), stream);
  expect([await stored(), (await read()).reported_seq]).toEqual([MARK, 3]);
  await ledger.applyReport('eu', report(4, { deviations: named(pending, 'c') }), stream);
  expect(await stored()).toEqual([...named(failed, 'a', 'b'), ...named(pending, 'c')]);
  await mark();
  await ledger.applyReport('eu', report(5, { removed: ['a', 'b', 'c'] }), stream);
  expect(await stored()).toBe(null);
});

it('writes in one batch the rows of clusters whose deviations change, of others, and of new ones', async () => {
  await ledger.applyReport('eu', report(1, { full: true, deviations: named(failed, 'a') }));
  await ledger.applyReport('us', report(1, { full: true, deviations: named(failed, 'u') }));
  await mark();
  await Promise.all([
    ledger.setConnected('eu', true),
    ledger.applyReport('us', report(2, { deviations: named(pending, 'u') })),
    ledger.setConnected('new', true),
    ledger.applyReport('new', report(1, { full: true, deviations: named(failed, 'n') })),
    ledger.setConnected('empty', true),
  ]);
  expect([await stored(), (await read()).connected_by]).toEqual([MARK, expect.any(String)]);
  await ledger.close();
  ledger = await open();
  expect((await ledger.clusters()).map(({ name, policies }) => [name, ...policies.keys()])).toEqual([
    ['empty'],
    ['eu', 'mark'],
    ['new', 'n'],
    ['us', 'u'],
  ]);
});

it('deletes deviations, and writes those of the same batch', async () => {
  await ledger.applyReport('eu', report(1, { full: true, deviations: named(failed, 'a') }));
  await ledger.forgetCluster('eu');
  expect(await stored()).toBe(null);
  await ledger.applyReport('eu', report(1, { full: true, deviations: named(failed, 'a') }));
  await Promise.all([ledger.forgetCluster('eu'), ledger.applyReport('eu', report(1, { full: true, deviations: named(failed, 'b') }))]);
  expect(await stored()).toEqual(named(failed, 'b'));
});

it('returns the cost of a report that is written together with others', async () => {
  const many = Array.from({ length: 10_000 }, (_, n) => `policy-${n}`);
  const costs = await Promise.all(
    ['eu', 'us'].map((cluster) => ledger.applyReport(cluster, report(1, { full: true, deviations: named(failed, ...many) }))),
  );
  expect(costs.map(({ cpuMs }) => cpuMs > 0)).toEqual([true, true]);
});

it('reads what an older version wrote beside it, and what was reported since', async () => {
  const facts = async (): Promise<unknown> => {
    await ledger.close();
    ledger = await open();
    return (await ledger.cluster('eu'))?.report;
  };
  const revision = (name: string) => ({ revision: name, provenRevision: name, verification: 'verified', signer: name }) as const;
  await ledger.applyReport('eu', report(1, { full: true, cluster: clusterReport(revision('a')) }));
  await ledger.applyReport('eu', report(2, { revision: revision('b') }));
  const older = { ...clusterReport(revision('c')), signer: undefined };
  // That version does not know the other column.
  await database.db
    .updateTable('clusters')
    .set({ report_json: JSON.stringify(older) })
    .execute();
  expect(await facts()).toEqual(older);
  await ledger.applyReport('eu', report(3, { revision: revision('d') }));
  expect(await facts()).toEqual({ ...older, ...revision('d') });
  await database.db
    .updateTable('clusters')
    .set({ report_json: JSON.stringify(older), revision_json: null })
    .execute();
  expect(await facts()).toEqual(older);
  await ledger.applyReport('eu', report(4, { revision: revision('e') }));
  await ledger.applyReport('eu', report(5, { revision: revision('f') }));
  expect(await facts()).toEqual({ ...older, ...revision('f') });
});
