import type { GetObject } from '../git/index.ts';
import {
  decodeText,
  GitObjectError,
  type GitObjectType,
  parseCommit,
  parseTree,
  type RawObject,
  SIGNERS_FILES,
  SIGNERS_FOLDER,
  type TreeEntry,
} from '../git/index.ts';
import { MAX_SIGNERS_BYTES, parseSigners, type SignerFiles, type Signers, SignersError } from '../signatures/index.ts';
import { shortCommit, TrustError } from './errors.ts';

export const readObject = async (id: string, type: GitObjectType, getObject: GetObject): Promise<RawObject> => {
  const object = await getObject(id);
  if (object === undefined)
    throw new TrustError('chain-incomplete', `the ${type} ${id}, which the proof of descent needs, is missing`, true);
  if (object.type !== type) throw new TrustError('chain-incomplete', `object ${id} is a ${object.type} where a ${type} belongs`);
  return object;
};

const entriesOf = async (tree: string, getObject: GetObject): Promise<readonly TreeEntry[]> =>
  parseTree((await readObject(tree, 'tree', getObject)).data);

const invalid = (commit: string, why: string): TrustError =>
  new TrustError('signers-invalid', `the signers of commit ${shortCommit(commit)} cannot be used: ${why}`);

/** What cannot be parsed is a refusal like others. */
const guarded = async <T>(commit: string, read: () => Promise<T>): Promise<T> => {
  try {
    return await read();
  } catch (error) {
    if (error instanceof GitObjectError || error instanceof SignersError) throw invalid(commit, error.message);
    throw error;
  }
};

/** Object id of a commit's folder `signers/`; null: it has none. @throws TrustError */
export const signersTreeOf = (commit: string, getObject: GetObject): Promise<string | null> =>
  guarded(commit, async () => {
    const { tree } = parseCommit((await readObject(commit, 'commit', getObject)).data);
    const entry = (await entriesOf(tree, getObject)).find(({ name }) => name === SIGNERS_FOLDER);
    if (entry === undefined) return null;
    if (entry.kind !== 'tree') throw invalid(commit, `${SIGNERS_FOLDER} is a ${entry.kind}, not a folder`);
    return entry.id;
  });

const readSignerFile = async (entry: TreeEntry, commit: string, getObject: GetObject): Promise<string> => {
  const path = `${SIGNERS_FOLDER}/${entry.name}`;
  if (entry.kind !== 'blob') throw invalid(commit, `${path} is a ${entry.kind}, not a plain file`);
  const { data } = await readObject(entry.id, 'blob', getObject);
  if (data.byteLength > MAX_SIGNERS_BYTES) throw invalid(commit, `${path} has more than ${MAX_SIGNERS_BYTES} bytes`);
  return decodeText(data, path);
};

/** The signers that a commit carries. @throws TrustError */
export const readCommittedSigners = (tree: string, commit: string, getObject: GetObject): Promise<Signers> =>
  guarded(commit, async () => {
    const files: Partial<Record<keyof SignerFiles, string>> = {};
    for (const entry of await entriesOf(tree, getObject)) {
      const file = Object.hasOwn(SIGNERS_FILES, entry.name) ? SIGNERS_FILES[entry.name] : undefined;
      if (file !== undefined) files[file] = await readSignerFile(entry, commit, getObject);
    }
    return parseSigners(files);
  });
