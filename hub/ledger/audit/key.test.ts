import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadAuditKey } from './key.ts';

it('hubs that start at once where there is no audit key have the same one, in a file that is whole', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-key-'));
  const path = join(folder, 'keys', 'audit-key.pem');
  const keys = await Promise.all([loadAuditKey(path), loadAuditKey(path), loadAuditKey(path)]);
  expect(new Set(keys.map(({ id }) => id)).size).toBe(1);
  expect((await loadAuditKey(path)).id).toBe(keys[0]?.id);
  expect(await readdir(join(folder, 'keys'))).toEqual(['audit-key.pem']);
  await rm(folder, { recursive: true });
});
