import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { tokenRecord } from './access/fixtures.ts';
import { createTokenRecords, openTokenFile } from './access/index.ts';
import { createRecordStore } from './identity/index.ts';
import { importFiles } from './import-files.ts';
import { fixedClock, TIME } from './ledger/fixtures.ts';
import { createMemoryLedger } from './ledger/index.ts';

const revoked = (cluster: string, generation: number) => ({
  cluster,
  state: 'revoked' as const,
  generation,
  tokens: [],
  enrolled: TIME,
  revoked: TIME,
  certificate: null,
  newestShown: null,
});

let folder: string;
let enrolments: string;
let messages: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-import-'));
  enrolments = join(folder, 'identity', 'enrolments.json');
  messages = [];
  await mkdir(join(folder, 'identity'));
  await writeFile(enrolments, JSON.stringify({ version: 1, enrolments: [revoked('eu', 2), revoked('us', 4)] }));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const createBench = () => {
  const ledger = createMemoryLedger({ clock: fixedClock });
  const logger = pino({ level: 'info' }, { write: (line: string) => void messages.push((JSON.parse(line) as { msg: string }).msg) });
  const generations = async () =>
    (await createRecordStore(ledger.records).list()).map(({ cluster, generation }) => `${cluster} ${generation}`);
  return { ledger, generations, run: () => importFiles(folder, { ledger, logger }) };
};

it('enrolments and tokens of the data folder come into an empty database, once', async () => {
  const { ledger, generations, run } = createBench();
  await (await openTokenFile(folder)).add(tokenRecord);
  await run();
  expect(await generations()).toEqual(['eu 2', 'us 4']);
  expect(await createTokenRecords(ledger.records).list()).toEqual([tokenRecord]);
  await Promise.all([enrolments, join(folder, 'tokens.json')].map((path) => access(`${path}.imported`)));
  const entries = await ledger.audit.list({ limit: 10 });
  expect(entries.map(({ action, subject, detail }) => [action, subject, detail['records']])).toEqual([
    ['records.import', 'api-token', 1],
    ['records.import', 'enrolment', 2],
  ]);
  await run();
  expect(messages).toHaveLength(2);
});

it('a file beside records of that kind is left alone, and that is said', async () => {
  const { ledger, generations, run } = createBench();
  await createRecordStore(ledger.records).update('asia', () => revoked('asia', 1));
  await run();
  expect(await generations()).toEqual(['asia 1']);
  // Nor later, when there are none any more.
  await ledger.records.update('enrolment', 'asia', () => undefined);
  await run();
  expect(await generations()).toEqual([]);
  expect([...new Set(messages)]).toEqual(['file of the data folder ignored: the database has its own records']);
  await access(enrolments);
});

it('goes on with a file whose import was cut off, and keeps what is newer', async () => {
  const first = createBench();
  const { records } = first.ledger;
  const failing = { ...first.ledger, audit: { ...first.ledger.audit, append: () => Promise.reject(new Error('the database is away')) } };
  await expect(importFiles(folder, { ledger: failing, logger: pino({ level: 'silent' }) })).rejects.toThrow('away');
  await records.update('enrolment', 'us', () => undefined);
  await records.update('enrolment', 'eu', () => revoked('eu', 3));
  await first.run();
  expect(await first.generations()).toEqual(['eu 3', 'us 4']);
});

it('a damaged file stops the start', async () => {
  await writeFile(enrolments, '{');
  const { ledger, run } = createBench();
  await expect(run()).rejects.toThrow(/enrolments\.json is damaged/);
  expect(await ledger.audit.list({ limit: 1 })).toEqual([]);
});
