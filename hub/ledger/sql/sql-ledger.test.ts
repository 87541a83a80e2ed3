import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { event, fixedClock } from '../testing/ledger.ts';
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
