import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';

const root = join(import.meta.dirname, '..', '..', '..');

/** Builds the dashboard if it is not built from the current sources. */
const buildDashboard = async (): Promise<void> => {
  const turbo = join(root, 'node_modules', '.bin', 'turbo');
  const env = {
    ...process.env,
    PATH: `${join(root, 'node_modules', '.bin')}:${process.env['PATH'] ?? ''}`,
    TURBO_TELEMETRY_DISABLED: '1',
    DO_NOT_TRACK: '1',
  };
  await promisify(execFile)(turbo, ['run', 'build', '--filter', '@fso/dashboard'], { cwd: root, env }).catch(
    (error: { stdout?: string }) => {
      throw new Error(`the dashboard cannot be built:\n${error.stdout ?? ''}`, { cause: error });
    },
  );
};

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder for files of the whole run. */
    folder: string;
  }
}

/** Runs once, before the first test file. @returns the clean-up after the last one */
const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  await buildDashboard();
  const folder = await mkdtemp(join(tmpdir(), 'fso-browser-'));
  project.provide('folder', folder);
  // Programs that end with the process of the tests may still write for a moment.
  return () => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
};

export default setup;
