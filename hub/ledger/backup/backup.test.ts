import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type KyselyPlugin, sql, type ValuesNode } from 'kysely';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuditKey } from '../audit/key.ts';
import { LOGIN_LINK_KIND, SESSION_KIND } from '../keyed-store.ts';
import { type Database, openDatabase, openReader } from '../sql/database.ts';
import { createSqlLedger } from '../sql/sql-ledger.ts';
import { event, fixedClock, policy, report, source, TIME } from '../testing/ledger.ts';
import type { Ledger } from '../types.ts';
import { backupLedger } from './backup.ts';
import { checkBackup, type RestoreSummary, restoreLedger } from './restore.ts';

const OPERATOR = { kind: 'operator' as const, id: 'ada', roles: [] };
const restore = async (database: Database, file: string): Promise<RestoreSummary> =>
  restoreLedger(database, await checkBackup(file), OPERATOR);
const open = (database: Database): Promise<Ledger> =>
  createSqlLedger({ database, clock: fixedClock, random: Math.random, logger: pino({ level: 'silent' }) });

/** Reports the number of rows that each query reads and each insert has. */
const watching = ({ read, write }: { readonly read?: (rows: number) => void; readonly write?: (rows: number) => void }): KyselyPlugin => ({
  transformQuery: ({ node }) => {
    if (node.kind === 'InsertQueryNode' && node.values?.kind === 'ValuesNode') write?.((node.values as ValuesNode).values.length);
    return node;
  },
  transformResult: async ({ result }) => {
    read?.(result.rows.length);
    return result;
  },
});

describe('backup', () => {
  let folder: string;
  let file: string;
  let filled: Database;
  let empty: Database;
  let whole: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-backup-'));
    file = join(folder, 'backup.gz');
    filled = await openDatabase({ folder: join(folder, 'filled') });
    empty = await openDatabase({ folder: join(folder, 'empty') });
    const ledger = await open(filled);
    await ledger.setSource(source({ lastFetch: '2026-01-03T10:30:00.000Z' }));
    await ledger.setConnected('eu', true);
    const policies = Array.from({ length: 40 }, (_, i) => policy(`p${i}`, i === 0 ? { violations: 2 } : {}));
    await ledger.applyReport('eu', report(1, { full: true, policies, events: [event('A'), event('B')] }));
    await ledger.records.update('kept', 'name', () => 'value');
    await ledger.records.update(SESSION_KIND, 'name', () => 'a live session');
    await ledger.records.update(LOGIN_LINK_KIND, 'links', () => 'an open link');
    await ledger.close();
    const rows = { clusters: 1, events: 2, audit: 1, reports: 40, state: 1, records: 1 };
    expect(await backupLedger(filled, { path: file, version: 'test' })).toMatchObject({ rows });
    whole = gunzipSync(await readFile(file)).toString();
    expect(whole).not.toMatch(/a live session|an open link/);
  });
  afterAll(async () => {
    await Promise.all([filled.close(), empty.close()]);
    await rm(folder, { recursive: true, force: true });
  });
  const restoreText = async (text: string): Promise<unknown> => {
    const other = join(folder, 'other.gz');
    await writeFile(other, gzipSync(text));
    return restore(empty, other);
  };

  it.each([
    ['a byte that was changed', () => whole.replace('"B"', '"C"'), /digest is another/],
    ['a line that is missing', () => whole.split('\n').toSpliced(3, 1).join('\n'), /digest is another/],
    ['the end missing', () => `${whole.trimEnd().split('\n').slice(0, -1).join('\n')}\n`, /last line cannot be read/],
    ['a newer format', () => whole.replace(/"version":\d+/, '"version":99'), /newer version/],
    ['something else', () => 'hello\n', /is no backup of a ledger/],
  ])('is refused with %s, and restores nothing', async (_what, text, reason) => {
    await expect(restoreText(text())).rejects.toThrow(reason);
    expect(
      await empty.db
        .selectFrom('clusters')
        .selectAll()
        .execute()
        .catch(() => []),
    ).toEqual([]);
  });

  it('is refused when the file has changed since it was checked', async () => {
    const other = join(folder, 'swapped.gz');
    await writeFile(other, gzipSync(whole));
    const checked = await checkBackup(other);
    await writeFile(other, gzipSync(whole.replace('"B"', '"C"')));
    await expect(restoreLedger(empty, checked, OPERATOR)).rejects.toThrow(/digest is another/);
    expect(await empty.db.selectFrom('clusters').selectAll().execute()).toEqual([]);
  });

  it('is refused when it is no gzip, or not there', async () => {
    await writeFile(join(folder, 'text'), 'hello');
    await expect(restore(empty, join(folder, 'text'))).rejects.toThrow(/cannot be read/);
    await expect(restore(empty, join(folder, 'absent'))).rejects.toThrow(/cannot be read/);
  });

  it('is restored with checkpoints of two keys, which it reports; not with one that contradicts the log', async () => {
    const from = await openDatabase({ folder: join(folder, 'keys') });
    const to = await openDatabase({ folder: join(folder, 'keys-restored') });
    const ledger = await open(from);
    const [old, key] = [createAuditKey(), createAuditKey()];
    for (const signing of [old, key]) {
      await ledger.audit.append({ actor: OPERATOR, from: null, action: 'test.entry', subject: 's', detail: {} });
      await ledger.audit.addCheckpoint(signing.sign({ ...(await ledger.audit.head()), time: TIME }));
    }
    const [good, bad] = [join(folder, 'good.gz'), join(folder, 'bad.gz')];
    await backupLedger(from, { path: good, version: 'test' });
    await ledger.audit.addCheckpoint(key.sign({ sequence: 1, hash: 'f'.repeat(64), time: TIME }));
    await backupLedger(from, { path: bad, version: 'test' });
    await expect(restore(to, bad)).rejects.toThrow(/another hash: the log was rewritten/);
    expect((await restore(to, good)).notes.slice(1)).toEqual([expect.stringContaining(`signed by another key (${old.id})`)]);
    await ledger.close();
    await Promise.all([from.close(), to.close()]);
  });

  it('is signed by the key of the newest checkpoint, and refused after a change of the signed content', async () => {
    const from = await openDatabase({ folder: join(folder, 'signed') });
    const ledger = await open(from);
    const [key, other] = [createAuditKey(), createAuditKey()];
    const path = join(folder, 'signed.gz');
    const back = (by = key) => backupLedger(from, { path, version: 'test', replace: true, key: by });
    await ledger.records.update('kept', 'name', () => 'value');
    expect(await back()).toMatchObject({ isSigned: false });
    await ledger.audit.append({ actor: OPERATOR, from: null, action: 'test.entry', subject: 's', detail: {} });
    await ledger.audit.addCheckpoint(key.sign({ ...(await ledger.audit.head()), time: TIME }));
    expect(await back(other)).toMatchObject({ isSigned: false });
    expect(await back()).toMatchObject({ isSigned: true });
    await Promise.all([ledger.close(), from.close()]);

    /** Alters a backup as an attacker would who can compute its digest. */
    const forge = (text: string, keep = true): string => {
      const lines = text.trimEnd().split('\n');
      const { signature, ...end } = JSON.parse(lines.pop() ?? '') as { signature: string };
      const rest = `${lines.join('\n')}\n`;
      const sha256 = createHash('sha256').update(rest).digest('hex');
      return `${rest}${JSON.stringify({ ...end, sha256, ...(keep && { signature }) })}\n`;
    };
    const signed = gunzipSync(await readFile(path)).toString();
    const notesOf = async (name: string, text: string): Promise<readonly string[]> => {
      await writeFile(path, gzipSync(text));
      const to = await openDatabase({ folder: join(folder, name) });
      return (await restore(to, path).finally(to.close)).notes;
    };
    expect(await notesOf('as-it-is', signed)).toEqual([]);
    const changed = signed.replace('\\"value\\"', '\\"other\\"');
    expect(changed).not.toBe(signed);
    await expect(notesOf('changed', forge(changed))).rejects.toThrow(/not signed by the key of its newest checkpoint/);
    expect(await notesOf('unsigned', forge(changed, false))).toEqual([expect.stringContaining('not signed')]);
  });

  it('restores everything into an empty ledger, and only there', async () => {
    await restore(empty, file);
    const ledger = await open(empty);
    const before = await open(filled);
    const record = await ledger.cluster('eu');
    expect(record).toEqual(await before.cluster('eu'));
    expect(record?.policies.size).toBe(40);
    expect(await ledger.events({ limit: 10 })).toEqual(await before.events({ limit: 10 }));
    expect(await ledger.source()).toEqual(await before.source());
    // WrittenBatch after the restore, with ids and numbers that go on.
    await ledger.applyReport('eu', report(2, { policies: [policy('p1', { phase: 'Failed' })], events: [event('C')] }));
    expect((await ledger.events({ limit: 1 })).map(({ reason }) => reason)).toEqual(['C']);
    expect((await ledger.audit.list({ limit: 1 })).map(({ action, actor }) => [action, actor])).toEqual([['ledger.restore', OPERATOR]]);
    expect(await ledger.audit.verify()).toMatchObject({ ok: true, entries: 2 });
    await Promise.all([ledger.close(), before.close()]);
    await expect(restore(empty, file)).rejects.toThrow(/not empty/);
  });

  it('reads lists of policies a few at a time, writes them within a bound, and continues after their versions', async () => {
    const from = await openDatabase({ folder: join(folder, 'lists') });
    const ledger = await open(from);
    await ledger.addEvent(null, event('A'));
    await ledger.close();
    const text = JSON.stringify({ policies: [], padding: 'x'.repeat(280_000) });
    const digests = Array.from({ length: 45 }, (_, n) => n.toString(16).padStart(64, '0'));
    for (const [n, digest] of digests.entries())
      await from.db
        .insertInto('policy_lists')
        .values({ digest, base: null, depth: 0, stored: '2026-01-01T00:00:00.000Z', version: 1_000 + n, list_json: text })
        .execute();
    const path = join(folder, 'lists.gz');
    const pages: number[] = [];
    const watched: Database = {
      ...from,
      snapshot: (work) => from.snapshot((db) => work(db.withPlugin(watching({ read: (rows) => pages.push(rows) })))),
    };
    expect(await backupLedger(watched, { path, version: 'test' })).toMatchObject({ rows: { policy_lists: 45 } });
    expect(Math.max(...pages)).toBe(20);
    const to = await openDatabase({ folder: join(folder, 'lists-restored') });
    const written: number[] = [];
    const patiently: Database['patiently'] = (work) =>
      to.patiently((db) => work(db.withPlugin(watching({ write: (rows) => written.push(rows) }))));
    await restore({ ...to, patiently }, path);
    expect(Math.max(...written)).toBeLessThanOrEqual(14);
    expect(await to.db.selectFrom('policy_lists').select('digest').orderBy('digest').execute()).toEqual(
      digests.map((digest) => ({ digest })),
    );
    const { value } = await to.db.selectFrom('ledger_version').select('value').executeTakeFirstOrThrow();
    expect(value).toBe(1_044);
    await Promise.all([from.close(), to.close()]);
  });

  it('is made beside a hub that has the folder, of one moment, and changes nothing', async () => {
    const inUse = join(folder, 'in-use');
    const database = await openDatabase({ folder: inUse });
    const ledger = await open(database);
    await ledger.addEvent(null, event('Before'));
    const reader = await openReader({ folder: inUse });
    const path = join(folder, 'in-use.gz');
    expect(await backupLedger(reader, { path, version: 'test' })).toMatchObject({ rows: { events: 1 } });
    await ledger.addEvent(null, event('After'));
    await expect(backupLedger(reader, { path, version: 'test' })).rejects.toThrow(/is there already: .*--force/);
    expect(await backupLedger(reader, { path, version: 'test', replace: true })).toMatchObject({ rows: { events: 2 } });
    await expect(reader.snapshot((db) => db.deleteFrom('events').execute())).rejects.toThrow(/readonly/);
    await reader.close();
    await ledger.close();
    await database.close();
  });

  it('is restored from a version before exceptions without its reports, which agents send again', async () => {
    const chunk = { table: 'policy_chunks', row: { cluster: 'eu', chunk: 1, policies_json: '[]', version: 1 } };
    const lines = whole
      .replace(/"version":\d+/, '"version":7')
      .trimEnd()
      .split('\n')
      .map((line) =>
        JSON.stringify(JSON.parse(line, (key, value) => (/^(list|baseline_json|diverged_since)$/.test(key) ? undefined : value))),
      );
    const rest = `${[...lines.slice(0, -1), JSON.stringify(chunk)].join('\n')}\n`;
    const end = { ...(JSON.parse(lines.at(-1) ?? '') as object), sha256: createHash('sha256').update(rest).digest('hex') };
    const path = join(folder, 'older.gz');
    await writeFile(path, gzipSync(`${rest}${JSON.stringify(end)}\n`));
    const to = await openDatabase({ folder: join(folder, 'older') });
    await restore(to, path);
    const ledger = await open(to);
    expect(await ledger.cluster('eu')).toMatchObject({ baseline: null, reportedSeq: 0 });
    expect(ledger.records.get('kept', 'name')).toBe('value');
    expect((await ledger.audit.verify()).ok).toBe(true);
    await ledger.close();
    await to.close();
  });

  it('names the newest migration of its ledger, so that an older program refuses it', async () => {
    const database = await openDatabase({ folder: join(folder, 'migrated') });
    await (await open(database)).close();
    const path = join(folder, 'migrated.gz');
    const versionOf = async (): Promise<unknown> => {
      await backupLedger(database, { path, version: 'test', replace: true });
      return Reflect.get(
        JSON.parse(
          gunzipSync(await readFile(path))
            .toString()
            .split('\n')[0] ?? '',
        ),
        'version',
      );
    };
    const { rows } = await sql<{ name: string }>`select name from ledger_migrations order by name`.execute(database.db);
    expect(await versionOf()).toBe(Number(rows.at(-1)?.name.slice(0, 4)));
    await sql`delete from ledger_migrations where name <> '0001-ledger'`.execute(database.db);
    expect(await versionOf()).toBe(1);
    await database.close();
  });

  it('fails for an empty folder, and for a newer version', async () => {
    const none = join(folder, 'none');
    await expect(openReader({ folder: none })).rejects.toThrow('there is no ledger');
    const newer = await openDatabase({ folder: join(folder, 'newer') });
    const path = join(folder, 'newer.gz');
    await expect(backupLedger(newer, { path, version: 'test' })).rejects.toThrow('holds no ledger');
    expect(await newer.db.introspection.getTables()).toEqual([]);
    await (await open(newer)).close();
    await sql`insert into ledger_migrations values ('9999-future', '2030-01-01T00:00:00Z')`.execute(newer.db);
    await expect(backupLedger(newer, { path, version: 'test' })).rejects.toThrow(/written by a newer version/);
    expect((await readdir(folder)).filter((name) => name.startsWith('newer.gz'))).toEqual([]);
    await newer.close();
  });
});
