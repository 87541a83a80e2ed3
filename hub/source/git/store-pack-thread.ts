import fs from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import git from 'isomorphic-git';
import { GitTransportError } from './git-errors.ts';
import { checkPackAnswer, DEFAULT_PACK_LIMITS } from './pack-limits.ts';
import type { PackToStore } from './receive-pack.ts';

const FOLDER = 'objects/pack';

/** @returns the path of the pack in the folder of the clone; undefined: the answer has none */
const writePack = async ({ answer, gitdir }: PackToStore): Promise<string | undefined> => {
  const checked = await checkPackAnswer(answer, DEFAULT_PACK_LIMITS, new AbortController().signal);
  if (checked === undefined) return undefined;
  const { pack } = checked;
  await mkdir(join(gitdir, FOLDER), { recursive: true });
  const filepath = join(FOLDER, `pack-${pack.toString('hex', pack.length - 20)}.pack`);
  await writeFile(join(gitdir, filepath), pack);
  return filepath;
};

const storePack = async (toStore: PackToStore): Promise<void> => {
  const filepath = await writePack(toStore);
  if (filepath !== undefined) await git.indexPack({ fs, dir: toStore.gitdir, gitdir: toStore.gitdir, filepath });
};

try {
  await storePack(workerData as PackToStore);
} catch (error) {
  if (!(error instanceof GitTransportError)) throw error;
  parentPort?.postMessage(error.message);
}
