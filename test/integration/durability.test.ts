import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { installPackages } from '../harness/debian.ts';

const run = promisify(execFile);
const WRITES = 25;
const STRACE = '/usr/bin/strace';

let folder: string;
beforeAll(async () => {
  if (!existsSync(STRACE)) await installPackages('strace');
  folder = await mkdtemp(join(tmpdir(), 'fso-durability-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/**
 * System calls of a process that writes to an embedded ledger: each successful sync, and each
 * response of the ledger.
 */
const traceWrites = async (): Promise<string[]> => {
  const trace = join(folder, 'trace');
  const program = join(import.meta.dirname, '../harness/acknowledge-writes.ts');
  const traced = ['-f', '-y', '-e', 'trace=fsync,fdatasync,write', '-o', trace];
  await run(STRACE, [...traced, process.execPath, program, join(folder, 'ledger'), String(WRITES)]);
  return (await readFile(trace, 'utf8')).split('\n').flatMap((line) => {
    const acknowledged = /write\(1<.*"(acknowledged \d+)\\n"/.exec(line)?.[1];
    if (acknowledged !== undefined) return [acknowledged];
    return /(fsync|fdatasync)\(.*<.*\/ledger\.db-wal>/.test(line) ? ['sync'] : [];
  });
};

it('syncs the log of the embedded ledger before it acknowledges a write', async () => {
  const calls = await traceWrites();
  const acknowledged = calls.filter((call) => call !== 'sync');
  expect(acknowledged).toEqual(Array.from({ length: WRITES }, (_, i) => `acknowledged ${i + 1}`));
  const unsynced = acknowledged.filter((call) => calls[calls.indexOf(call) - 1] !== 'sync');
  expect(unsynced).toEqual([]);
});
