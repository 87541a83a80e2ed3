import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Creates a folder that is removed after the current test or hook. @returns its path */
export const makeTemporaryFolder = (name: string): string => {
  const folder = mkdtempSync(join(tmpdir(), `fso-${name}-`));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};
