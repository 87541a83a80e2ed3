import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// biome-ignore lint/correctness/noUnresolvedImports: part of Node.js.
import { DatabaseSync } from 'node:sqlite';
import { settlesWithin } from '@fso/shared/runtime';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from './database.ts';
import { describeAuditLog } from './testing/describe-audit-log.ts';
import { describeNamedLists } from './testing/describe-named-lists.ts';
import { describeQueries } from './testing/describe-queries.ts';
import { describeSearch, type TestDatabase } from './testing/describe-search.ts';

const openTest = async (): Promise<TestDatabase> => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-database-'));
  const database = await openDatabase({ folder });
  return {
    database,
    close: async () => {
      await database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
describeAuditLog('the embedded database', openTest);
describeSearch('the embedded database', openTest);
describeQueries('the embedded database', openTest);
describeNamedLists('the embedded database', openTest);

describe('the folder of an embedded database', () => {
  let folder: string;
  const children: ChildProcess[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-database-'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  /** Starts another process that opens the folder and prints the result. */
  const openElsewhere = async (): Promise<{ readonly said: string; kill(): Promise<void> }> => {
    const program = `
      const { openDatabase } = await import(${JSON.stringify(new URL('./database.ts', import.meta.url).href)});
      await openDatabase({ folder: ${JSON.stringify(folder)} }).then(() => console.log('opened'), ({ message }) => console.log(message));
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const [said] = await once(child.stdout, 'data');
    return {
      said: String(said).trim(),
      kill: async () => {
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      },
    };
  };
  const REFUSED = /another hub has the ledger in .* open: stop it, .*FSO_DATA_DIR.*DATABASE_URL/;

  it('is open once at a time in a process', async () => {
    const database = await openDatabase({ folder });
    await expect(openDatabase({ folder })).rejects.toThrow(REFUSED);
    await database.close();
    await (await openDatabase({ folder })).close();
  });

  it('is opened by one of several that start at once', async () => {
    const started = await Promise.all(Array.from({ length: 4 }, openElsewhere));
    const outcomes = started.map(({ said }) => (said === 'opened' ? said : REFUSED.test(said))).sort();
    expect(outcomes).toEqual(['opened', true, true, true]);
  });

  it('is free as soon as its process is gone, after any end and with any leftovers', async () => {
    const other = await openElsewhere();
    expect(other.said).toBe('opened');
    await expect(openDatabase({ folder })).rejects.toThrow(REFUSED);
    await other.kill();
    await (await openDatabase({ folder })).close();
  });

  it('is waited for while another process holds a lock on its file, at the start and later', async () => {
    const other = new DatabaseSync(join(folder, 'ledger.db'));
    other.exec('begin exclusive');
    const opening = openDatabase({ folder });
    expect(await settlesWithin(opening, 200)).toBe(false);
    other.exec('commit');
    const database = await opening;
    other.exec('begin immediate');
    const context = sql`create table written (at text)`.execute(database.db);
    expect(await settlesWithin(context, 200)).toBe(false);
    other.exec('commit');
    await context;
    other.close();
    await database.close();
  });

  it('is refused where an earlier version has left a database', async () => {
    await mkdir(join(folder, 'database'));
    await writeFile(join(folder, 'database', 'PG_VERSION'), '18\n');
    await expect(openDatabase({ folder })).rejects.toThrow(/embedded PostgreSQL of an earlier version.*remove it/);
  });

  it('is refused where the file is no database', async () => {
    await writeFile(join(folder, 'ledger.db'), 'x'.repeat(10_000));
    await expect(openDatabase({ folder })).rejects.toThrow(/is damaged: restore a backup/);
  });
});
