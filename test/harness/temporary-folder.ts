import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A folder that goes with the test, or the hook of a test, that asks for it. @returns its path */
export const makeTemporaryFolder = (name: string): string => {
  const folder = mkdtempSync(join(tmpdir(), `fso-${name}-`));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};
