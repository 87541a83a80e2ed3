import type { GetObject } from '../git/index.ts';
import { decodeText, findTreeEntry, GitObjectError, SIGNERS_FILES, SIGNERS_FOLDER, type TreeEntry } from '../git/index.ts';
import { MAX_SIGNERS_BYTES, parseSigners, type SignerFiles, type Signers, SignersError } from '../signatures/index.ts';
import { invalidSigners } from './errors.ts';
import { readObject } from './proof-reader.ts';

const readSignerFile = async (entry: TreeEntry, commit: string, getObject: GetObject): Promise<string> => {
  const path = `${SIGNERS_FOLDER}/${entry.name}`;
  if (entry.kind !== 'blob') throw invalidSigners(commit, `${path} is a ${entry.kind}, not a plain file`);
  const { data } = await readObject(entry.id, 'blob', getObject);
  if (data.byteLength > MAX_SIGNERS_BYTES) throw invalidSigners(commit, `${path} has more than ${MAX_SIGNERS_BYTES} bytes`);
  return decodeText(data, path);
};

/**
 * The signers that a commit carries. @throws TrustError; what cannot be parsed is a refusal like
 * others
 */
export const readCommittedSigners = async (tree: string, commit: string, getObject: GetObject): Promise<Signers> => {
  const { data } = await readObject(tree, 'tree', getObject);
  const files: Partial<Record<keyof SignerFiles, string>> = {};
  try {
    for (const [name, file] of Object.entries(SIGNERS_FILES)) {
      const entry = findTreeEntry(data, name);
      if (entry !== undefined) files[file] = await readSignerFile(entry, commit, getObject);
    }
    return parseSigners(files);
  } catch (error) {
    if (error instanceof GitObjectError || error instanceof SignersError) throw invalidSigners(commit, error.message);
    throw error;
  }
};
