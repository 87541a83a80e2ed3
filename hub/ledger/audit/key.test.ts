import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadAuditKey, publishWithoutLinks } from './key.ts';

it('shares one complete key file among hubs that start at once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-key-'));
  const path = join(folder, 'keys', 'audit-key.pem');
  const keys = await Promise.all([loadAuditKey(path), loadAuditKey(path), loadAuditKey(path)]);
  expect(new Set(keys.map(({ id }) => id)).size).toBe(1);
  expect((await loadAuditKey(path)).id).toBe(keys[0]?.id);
  expect(await readdir(join(folder, 'keys'))).toEqual(['audit-key.pem']);
  await rm(folder, { recursive: true });
});

it('keeps the key of the first hub on a file system without links', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-key-'));
  const path = join(folder, 'key');
  const drafts = ['one', 'other', 'third'].map((name) => join(folder, name));
  for (const draft of drafts) await writeFile(draft, draft);
  const [first = '', ...others] = drafts;
  await publishWithoutLinks(first, path);
  for (const draft of others) await publishWithoutLinks(draft, path);
  expect(await readFile(path, 'utf8')).toBe(first);
  await rm(path);
  await writeFile(`${path}.claim`, '');
  await expect(publishWithoutLinks(others[0] ?? '', path)).rejects.toThrow(`remove ${path}.claim if it stays`);
  expect((await readdir(folder)).toSorted()).toEqual(['key.claim', 'other', 'third']);
  await rm(folder, { recursive: true });
});
