import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RevisionVerification } from '@fso/shared/api';
import { StoredTrust } from '@fso/shared/trust';
import { z } from 'zod';

const State = z.object({
  url: z.string(),
  ref: z.string(),
  /** Commit that was last found good. */
  lastGood: z.string().regex(/^[0-9a-f]{40}$/),
  verification: RevisionVerification.default({ state: 'unverified' }),
  trust: StoredTrust.optional(),
});
type State = z.infer<typeof State>;

const FILE = 'source.json';

/** @returns null when there is none, or none that can be read: it only saves work and is made anew. */
export const readState = async (dataDir: string): Promise<State | null> => {
  try {
    return State.parse(JSON.parse(await readFile(join(dataDir, FILE), 'utf8')));
  } catch {
    return null;
  }
};

/** Written beside and renamed, so that a crash leaves the old one or the new one. */
export const writeState = async (dataDir: string, state: State): Promise<void> => {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const target = join(dataDir, FILE);
  await writeFile(`${target}.new`, JSON.stringify(state), { mode: 0o600 });
  await rename(`${target}.new`, target);
};
