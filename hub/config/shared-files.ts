import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@fso/shared/runtime';

/** Files with secrets. */
interface SecretFiles {
  readonly auditKeyFile: string;
  readonly dataDir: string;
  /** undefined: there is no CA of the hub's. */
  readonly identity?: object | undefined;
  readonly keyFiles?: readonly string[];
}

/** Permissions of the group and of all others. */
const OTHERS = 0o077;

/** @returns undefined: only its owner may use it, or it does not exist */
const modeForOthers = async (path: string): Promise<number | undefined> => {
  try {
    const mode = (await stat(path)).mode & 0o777;
    return (mode & OTHERS) === 0 ? undefined : mode;
  } catch (error) {
    if (Reflect.get(Object(error), 'code') === 'ENOENT') return undefined;
    throw error;
  }
};

/**
 * Warns about secret files, and folders with such files, that users other than their owner may use.
 * This is no error: with `fsGroup`, volumes of Kubernetes belong to the group.
 */
export const warnOfSharedFiles = async ({ auditKeyFile, dataDir, identity, keyFiles = [] }: SecretFiles, logger: Logger): Promise<void> => {
  if (process.platform === 'win32') return;
  const caFiles = identity === undefined ? [] : ['identity', 'identity/ca.key'].map((name) => join(dataDir, name));
  for (const path of [auditKeyFile, ...caFiles, ...keyFiles]) {
    const mode = await modeForOthers(path);
    if (mode !== undefined)
      logger.warn({ path, mode: mode.toString(8).padStart(4, '0') }, 'others of this machine may use secrets of the hub');
  }
};
