import { stat } from 'node:fs/promises';
import type { Logger } from '@fso/shared/runtime';

/** Permissions of the group and of all others. */
const OTHERS = 0o077;

/** @returns undefined: only its owner may use it, or there is no such file */
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
 * Warns of files of secrets, and of folders with such, that more than their owner may use. No error: volumes of Kubernetes are the group's
 * where `fsGroup` is set.
 */
export const warnOfSharedKeys = async (paths: readonly string[], logger: Logger): Promise<void> => {
  if (process.platform === 'win32') return;
  for (const path of paths) {
    const mode = await modeForOthers(path);
    if (mode !== undefined)
      logger.warn({ path, mode: mode.toString(8).padStart(4, '0') }, 'others of this machine may use secrets of the hub');
  }
};
