import fs from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import git from 'isomorphic-git';
import { GitTransportError } from './git-errors.ts';
import { checkPackAnswer, DEFAULT_PACK_LIMITS } from './pack-limits.ts';
import type { PackToStore } from './receive-pack.ts';

/** Writes the pack and its index beside the clone. @returns the name of both, without their extensions */
const writeIncoming = async (incoming: string, answer: Uint8Array): Promise<string> => {
  const checked = await checkPackAnswer(answer, DEFAULT_PACK_LIMITS, new AbortController().signal);
  if (checked === undefined) throw new GitTransportError('the Git server sent no pack');
  const { pack } = checked;
  const name = `pack-${pack.toString('hex', pack.length - 20)}`;
  await writeFile(join(incoming, `${name}.pack`), pack);
  return name;
};

/** Stores a pack. The clone gets both files whole, the index last: this thread may be ended at any time. */
const storePack = async ({ answer, gitdir }: PackToStore): Promise<void> => {
  const [incoming, packs] = [join(gitdir, 'incoming'), join(gitdir, 'objects', 'pack')];
  await rm(incoming, { recursive: true, force: true });
  await Promise.all([incoming, packs].map((folder) => mkdir(folder, { recursive: true })));
  const name = await writeIncoming(incoming, answer);
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
