import fs from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import git from 'isomorphic-git';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isGitObjectMissing } from './clone.ts';
import { objectFilesOf } from './object-files.ts';

let gitdir: string;
beforeEach(async () => {
  gitdir = await mkdtemp(join(tmpdir(), 'fso-objects-'));
  await git.init({ fs, gitdir, bare: true });
});
afterEach(() => rm(gitdir, { recursive: true }));

const write = (text: string): Promise<string> => git.writeBlob({ fs, gitdir, blob: Buffer.from(text) });
const textOf = async (files: ReturnType<typeof objectFilesOf>, oid: string): Promise<string> =>
  Buffer.from((await git.readBlob({ fs: files, gitdir, oid })).blob).toString();

it('reads loose and packed objects, and finds no other', async () => {
  const [packed, loose] = [await write('packed'), await write('loose')];
  await git.packObjects({ fs, gitdir, oids: [packed], write: true });
  const [pack] = await fs.promises.readdir(join(gitdir, 'objects/pack'));
  await git.indexPack({ fs, dir: gitdir, gitdir, filepath: `objects/pack/${pack}` });
  await rm(join(gitdir, 'objects', packed.slice(0, 2)), { recursive: true });
  const files = objectFilesOf(gitdir);
  expect(await Promise.all([packed, loose].map((id) => textOf(files, id)))).toEqual(['packed', 'loose']);
  await expect(textOf(files, 'f'.repeat(40))).rejects.toSatisfy(isGitObjectMissing);
});

it('reads again what could not be read', async () => {
  const [id, files] = [await write('here'), objectFilesOf(gitdir)];
  const [objects, away] = [join(gitdir, 'objects'), join(gitdir, 'away')];
  await rename(objects, away);
  await expect(textOf(files, id)).rejects.toThrow();
  await rename(away, objects);
  expect(await textOf(files, id)).toBe('here');
});

it('shows the objects of a moment: later ones are in a later file system', async () => {
  const first = await write('first');
  const files = objectFilesOf(gitdir);
  expect(await textOf(files, first)).toBe('first');
  const later = await write('later');
  await expect(textOf(files, later)).rejects.toSatisfy(isGitObjectMissing);
  expect(await textOf(objectFilesOf(gitdir), later)).toBe('later');
});
