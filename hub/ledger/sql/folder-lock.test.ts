import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockFolder } from './folder-lock.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-lock-'));
  path = join(folder, 'lock');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const left = (change: object): Promise<void> =>
  writeFile(path, JSON.stringify({ host: hostname(), pid: process.pid, started: '1', ...change }));

it('one has the folder at a time', async () => {
  const lock = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toThrow(/another hub has the ledger in .* open: stop it, .*FSO_DATA_DIR.*DATABASE_URL/);
  await lock.release();
  await (await lockFolder(folder)).release();
});

it.each([
  ['of a process that is gone', { pid: 2 ** 22 + 1 }],
  ['of a process whose number another one has now', { started: '1' }],
])('takes over the lock %s', async (_what, change) => {
  await left(change);
  await (await lockFolder(folder)).release();
});

it('takes over the lock of another machine once it was not touched for long, and one that cannot be read', async () => {
  await left({ host: 'elsewhere' });
  const old = new Date(Date.now() - 60_000);
  await utimes(path, old, old);
  await (await lockFolder(folder)).release();
  await writeFile(path, '');
  await utimes(path, old, old);
  await (await lockFolder(folder)).release();
});

it('leaves the lock to one on another machine that touches it', async () => {
  await left({ host: 'elsewhere' });
  const touching = setInterval(() => void utimes(path, new Date(), new Date()), 200);
  try {
    await expect(lockFolder(folder)).rejects.toThrow(/another hub/);
  } finally {
    clearInterval(touching);
  }
});
