import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { RevisionVerification } from '@fso/shared/api';
import { type Logger, readIfThere, writeDurably } from '@fso/shared/runtime';
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

/** Opens `source.json` in the data folder: the last good revision and its signers. */
export const createStateFile = (dataDir: string, logger: Logger) => {
  const path = join(dataDir, FILE);
  let unwritten: State | undefined;
  const retry = async (): Promise<void> => {
    const state = unwritten;
    if (state === undefined) return;
    try {
      await mkdir(dataDir, { recursive: true, mode: 0o700 });
      await writeDurably(path, JSON.stringify(state));
      if (unwritten === state) unwritten = undefined;
    } catch (err) {
      logger.error({ err, path }, 'last good revision not kept');
    }
  };
  return {
    /** Reads the state; null if there is none, or it cannot be read. */
    read: async (): Promise<State | null> => {
      try {
        const text = await readIfThere(path);
        return text === undefined ? null : State.parse(JSON.parse(text));
      } catch (err) {
        logger.error({ err, path }, 'last good revision cannot be read');
        return null;
      }
    },
    /** Writes the state. It is durable when this resolves, unless the write has failed. */
    write: async (state: State): Promise<void> => {
      unwritten = state;
      await retry();
    },
    /** Retries a failed write. */
    retry,
  };
};

/**
 * Stores the last good revision and the signers of the next one, so that an older signed commit is
 * not accepted after a restart. Neither reading nor writing throws: the hub works without the file,
 * and logs the failure.
 */
export type StateFile = ReturnType<typeof createStateFile>;
