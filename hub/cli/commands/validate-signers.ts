import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { SourceProblem } from '@fso/shared/decode';
import { SIGNERS_FILES, SIGNERS_FOLDER } from '@fso/shared/git';
import { parseSigners, type SignerFiles, SignersError } from '@fso/shared/signatures';
import { readFile } from './read-folder.ts';

/** What keeps the signers of a folder from being taken: nobody could sign the commits after such a one. */
export const signersProblems = (root: string): readonly SourceProblem[] => {
  if (!existsSync(join(root, SIGNERS_FOLDER))) return [];
  const files: Partial<Record<keyof SignerFiles, string>> = {};
  for (const [name, kind] of Object.entries(SIGNERS_FILES)) {
    const path = `${SIGNERS_FOLDER}/${name}`;
    if (!existsSync(join(root, path))) continue;
    const read = readFile(root, path);
    if ('reason' in read) return [read];
    files[kind] = read.text;
  }
  try {
    parseSigners(files);
    return [];
  } catch (error) {
    if (!(error instanceof SignersError)) throw error;
    return [{ path: SIGNERS_FOLDER, line: 1, column: 1, reason: error.message }];
  }
};
