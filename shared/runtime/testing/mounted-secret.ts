import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/**
 * Writes a folder as kubelet mounts a Secret: every key is a link into `..data`, which is a link to
 * a folder that is replaced as a whole.
 */
export const mountSecret = (folder: string, data: Readonly<Record<string, string>>): void => {
  const version = mkdtempSync(join(folder, '..version-'));
  for (const [key, text] of Object.entries(data)) {
    writeFileSync(join(version, key), text);
    rmSync(join(folder, key), { force: true });
    symlinkSync(join('..data', key), join(folder, key));
  }
  symlinkSync(basename(version), join(folder, '..data.new'));
  renameSync(join(folder, '..data.new'), join(folder, '..data'));
};
