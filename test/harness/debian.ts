import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withLock } from '../../clusters/toolchain/lock.ts';

const run = promisify(execFile);

/** Lock of the package installation. A second apt-get fails instead of waiting. */
const LOCK = join(tmpdir(), 'fso-packages.lock');

export const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * Installs Debian packages if the process is root and apt-get exists. Otherwise, or on failure,
 * does nothing.
 */
export const installPackages = async (...names: readonly string[]): Promise<void> => {
  if (!isRoot() || !existsSync('/usr/bin/apt-get')) return;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args: string[]) => run('apt-get', args, { env, maxBuffer: 64 * 1024 * 1024 });
  const install = async (): Promise<void> => {
    await apt('update').catch(() => undefined);
    await apt('install', '-y', '--no-install-recommends', ...names).catch(() => undefined);
  };
  await withLock(LOCK, install, () => undefined, new AbortController().signal);
};
