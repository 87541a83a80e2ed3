import fs from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import git from 'isomorphic-git';
import { GitTransportError } from './git-errors.ts';
import { checkPackAnswer } from './pack-limits.ts';
import type { PackToStore } from './receive-pack.ts';

/** Writes the pack of an answer into a folder. @returns its name, without the extension */
const writePack = async (folder: string, { answer, limits }: PackToStore): Promise<string> => {
  const checked = await checkPackAnswer(answer, limits, new AbortController().signal);
  if (checked === undefined) throw new GitTransportError('the Git server sent no pack');
  const { pack } = checked;
  const name = `pack-${pack.toString('hex', pack.length - 20)}`;
  await writeFile(join(folder, `${name}.pack`), pack);
  return name;
};

/**
 * Stores a pack. This thread may be terminated at any time, so the clone gets both files complete,
 * the index last.
 */
const storePack = async (toStore: PackToStore): Promise<void> => {
  const { gitdir } = toStore;
  const [incoming, packs] = [join(gitdir, 'incoming'), join(gitdir, 'objects', 'pack')];
  await rm(incoming, { recursive: true, force: true });
  await Promise.all([incoming, packs].map((folder) => mkdir(folder, { recursive: true })));
  const name = await writePack(incoming, toStore);
  await git.indexPack({ fs, dir: incoming, gitdir, filepath: `${name}.pack` });
  for (const file of [`${name}.pack`, `${name}.idx`]) await rename(join(incoming, file), join(packs, file));
  await rm(incoming, { recursive: true, force: true });
};

try {
  await storePack(workerData as PackToStore);
} catch (error) {
  if (!(error instanceof GitTransportError)) throw error;
  parentPort?.postMessage(error.message);
}
