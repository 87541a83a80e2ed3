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
    /** null: there is none, or none that can be read. */
    read: async (): Promise<State | null> => {
      try {
        const text = await readIfThere(path);
        return text === undefined ? null : State.parse(JSON.parse(text));
      } catch (err) {
        logger.error({ err, path }, 'last good revision cannot be read');
        return null;
      }
    },
    /** Durable when it resolves, where it can be written. */
    write: async (state: State): Promise<void> => {
      unwritten = state;
      await retry();
    },
    /** Writes once more what could not be written. */
    retry,
  };
};

/**
 * Stores the last good revision and the signers of the next one, so that an older signed commit is
 * not accepted after a restart. Neither reading nor writing fails: the hub governs without it, and
 * reports that.
 */
export type StateFile = ReturnType<typeof createStateFile>;
