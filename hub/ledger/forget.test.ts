import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { openDatabase } from './sql/database.ts';
import { createSqlLedger } from './sql/sql-ledger.ts';
import { desired, event, fixedClock, policy, report } from './testing/ledger.ts';
import { createMemoryLedger } from './testing/memory-ledger.ts';
import type { Ledger } from './types.ts';

const checkpoint = { sequence: 1, hash: 'h', time: '2026-01-03T10:30:00.000Z', key: 'k', signature: 's' };

/**
 * A cluster that was there and left: with policies of both kinds, an event, and what its agent
 * witnessed.
 */
const retire = async (ledger: Ledger): Promise<void> => {
  await ledger.setConnected('old', true);
  await ledger.setOffered('old', 'r1');
  await ledger.setAck('old', { revision: 'r1', digest: 'd' });
  const policies = [policy('kept'), policy('broken', { phase: 'Failed' })];
  await ledger.applyReport('old', report(1, { full: true, policies, events: [event('Seen')] }));
  await ledger.audit.addWitness('old', checkpoint);
  await ledger.setConnected('old', false);
};

const forgets = async (ledger: Ledger): Promise<void> => {
  await retire(ledger);
  expect((await ledger.cluster('old'))?.policies.size).toBe(2);
  const changed: string[] = [];
  ledger.subscribe((change) => void (change.kind === 'cluster' && changed.push(change.cluster)));
  await ledger.forgetCluster('old');
  expect(changed).toEqual(['old']);
  // Its stream may end late.
  await ledger.setConnected('old', false);
  expect(await ledger.cluster('old')).toBeNull();
  expect(await ledger.clusters()).toEqual([]);
  expect((await ledger.events({ limit: 10 })).map(({ reason }) => reason)).toEqual(['Seen']);
};

const openEmbedded = async (folder: string) => {
  const database = await openDatabase({ folder });
  const ledger = await createSqlLedger({ database, clock: fixedClock, random: Math.random, logger: pino({ level: 'silent' }) });
  const close = async (): Promise<void> => {
    await ledger.close();
    await database.close();
  };
  return { ledger, db: database.db, close };
};

describe('a cluster that is forgotten', () => {
  it('is gone, and its history stays', () => forgets(createMemoryLedger({ clock: fixedClock })));

  it('is removed for good, with its rows', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fso-forget-'));
    const first = await openEmbedded(folder);
    await forgets(first.ledger);
    for (const table of ['reports', 'witnesses'] as const)
      expect([table, await first.db.selectFrom(table).selectAll().execute()]).toEqual([table, []]);
    await first.close();
    const next = await openEmbedded(folder);
    expect(await next.ledger.clusters()).toEqual([]);
    await next.ledger.setConnected('old', true);
    await next.ledger.applyReport('old', report(1, { policies: [policy('fresh')] }));
    expect([...((await next.ledger.cluster('old'))?.policies.keys() ?? [])]).toEqual(['policies/fresh']);
    await next.close();
    await rm(folder, { recursive: true });
  });

  it('is kept while it is connected; a registered one counts as never seen', async () => {
    const ledger = createMemoryLedger({ clock: fixedClock });
    await retire(ledger);
    await ledger.setConnected('old', true);
    await ledger.forgetCluster('old');
    expect((await ledger.cluster('old'))?.policies.size).toBe(2);
    await ledger.setConnected('old', false);
    await ledger.setDesired(desired('r2', ['old']));
    await ledger.forgetCluster('old');
    expect(await ledger.cluster('old')).toMatchObject({ lastSeen: null, report: null });
  });
});
