import { isPolicyPath, type PolicyText, policyTexts } from '@fso/shared/decode';
import { decodeText, GitObjectError, parseTree, type RawObject, type TreeEntry } from '@fso/shared/git';

/** Looks up a Git object by its id; undefined if it is not in the clone. */
export type FindObject = (id: string) => Promise<RawObject | undefined>;

/** Blobs of a file with policies in two commits; undefined where the file does not exist. */
export interface FileChange {
  readonly path: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** Most entries in all cached folders. */
const ENTRIES_KEPT = 200_000;
const FILES_KEPT = 256;
/** Maximum number of characters in all files that are kept; their trees weigh less. */
const FILE_CHARACTERS = 32 * 1024 * 1024;
const MAX_DEPTH = 16;
/** Most entries of folders that are compared between two commits. */
const MAX_COMPARED = 200_000;

type Entries = ReadonlyMap<string, TreeEntry>;
const NO_ENTRIES: Entries = new Map();

const isPolicyFile = (path: string): boolean => /^policies\//i.test(path) && isPolicyPath(path);
/** Whether policy files can lie below a folder. */
const leadsToPolicies = (path: string): boolean => isPolicyFile(`${path}/x.yaml`) && path.split('/').length <= MAX_DEPTH;

const treeOf = (entry: TreeEntry | undefined, path: string): string | undefined =>
  entry?.kind === 'tree' && leadsToPolicies(path) ? entry.id : undefined;
const blobOf = (entry: TreeEntry | undefined, path: string): string | undefined =>
  entry?.kind === 'blob' && isPolicyFile(path) ? entry.id : undefined;

/** Folder that a comparison has reached, and the number of entries that it may still read. */
interface Place {
  readonly folder: string;
  readonly room: { left: number };
}

interface CacheLimits {
  readonly count: number;
  readonly weight: number;
}

/**
 * Cache of the values that were set last, bounded in number and weight. A value that exceeds the
 * bound alone is not kept, so that it evicts nothing.
 */
class WeighedCache<V> {
  readonly #values = new Map<string, V>();
  readonly #limits: CacheLimits;
  readonly #weigh: (value: V) => number;
  #weight = 0;

  constructor(limits: CacheLimits, weigh: (value: V) => number) {
    this.#limits = limits;
    this.#weigh = weigh;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: V): void {
    const weight = this.#weigh(value);
    if (this.#values.has(key) || weight > this.#limits.weight) return;
    this.#values.set(key, value);
    this.#weight += weight;
    for (const [oldest, old] of this.#values) {
      if (this.#weight <= this.#limits.weight && this.#values.size <= this.#limits.count) return;
      this.#values.delete(oldest);
      this.#weight -= this.#weigh(old);
    }
  }
}

const charactersOf = (policies: readonly PolicyText[] | undefined): number =>
  (policies ?? []).reduce((sum, { yaml }) => sum + yaml.length, 0);

/** Creates a reader of the policy files of commits, which caches those that were read last. */
export const createPolicyFiles = (find: FindObject) => {
  const trees = new WeighedCache<Entries>({ count: ENTRIES_KEPT, weight: ENTRIES_KEPT }, ({ size }) => size);
  const files = new WeighedCache<readonly PolicyText[] | undefined>({ count: FILES_KEPT, weight: FILE_CHARACTERS }, charactersOf);

  const entriesOf = async (tree: string | undefined): Promise<Entries> => {
    if (tree === undefined) return NO_ENTRIES;
    const known = trees.get(tree);
    if (known !== undefined) return known;
    const object = await find(tree);
    if (object?.type !== 'tree') throw new GitObjectError(`tree ${tree} is not in the clone`);
    const entries = new Map(parseTree(object.data).map((entry) => [entry.name, entry]));
    trees.set(tree, entries);
    return entries;
  };

  const take = async (tree: string | undefined, { room }: Place): Promise<Entries> => {
    const entries = await entriesOf(tree);
    room.left -= entries.size;
    if (room.left < 0) throw new GitObjectError('the commits differ in too many folders to be compared');
    return entries;
  };

  const compare = async (before: string | undefined, after: string | undefined, place: Place): Promise<readonly FileChange[]> => {
    if (before === after) return [];
    const { folder, room } = place;
    const [was, is] = [await take(before, place), await take(after, place)];
    const found: FileChange[] = [];
    for (const name of new Set([...is.keys(), ...was.keys()])) {
      const path = folder === '' ? name : `${folder}/${name}`;
      const [one, other] = [was.get(name), is.get(name)];
      const [blobBefore, blobAfter] = [blobOf(one, path), blobOf(other, path)];
      if (blobBefore !== blobAfter) found.push({ path, before: blobBefore, after: blobAfter });
      found.push(...(await compare(treeOf(one, path), treeOf(other, path), { folder: path, room })));
    }
    return found;
  };

  const read = async (blob: string, path: string, word: string): Promise<readonly PolicyText[] | undefined> => {
    const object = await find(blob);
    if (object?.type !== 'blob') throw new GitObjectError(`blob ${blob} is not in the clone`);
    // Most files have other policies, and are not parsed. The text of a file contains the names of
    // its policies, except for those that are quoted with escapes.
    const bytes = Buffer.from(object.data.buffer, object.data.byteOffset, object.data.byteLength);
    if (!bytes.includes(word) && !bytes.includes('\\')) return [];
    const policies = policyTexts({ path, text: decodeText(object.data, 'the file') });
    files.set(blob, policies);
    return policies;
  };

  return {
    /** Compares two root trees; undefined is an empty one. */
    changes: (before: string | undefined, after: string | undefined): Promise<readonly FileChange[]> =>
      compare(before, after, { folder: '', room: { left: MAX_COMPARED } }),
    /** Finds the blob of a file. */
    blobAt: async (tree: string, path: string): Promise<string | undefined> => {
      const names = path.split('/');
      let [current, walked]: [string | undefined, string] = [tree, ''];
      for (const name of names.slice(0, -1)) {
        walked = walked === '' ? name : `${walked}/${name}`;
        current = treeOf((await entriesOf(current)).get(name), walked);
      }
      return blobOf((await entriesOf(current)).get(names.at(-1) ?? ''), path);
    },
    /** Policies of a blob; none if its text lacks the word, undefined if it cannot be read. */
    policies: async (blob: string, path: string, word: string): Promise<readonly PolicyText[] | undefined> => {
      if (files.has(blob)) return files.get(blob);
      try {
        return await read(blob, path, word);
      } catch (error) {
        // The file is not UTF-8.
        if (error instanceof GitObjectError) return undefined;
        throw error;
      }
    },
  };
};

/**
 * Reader of policy files in Git.
 *
 * @throws GitObjectError for objects that are malformed or not in the clone
 */
export type PolicyFiles = ReturnType<typeof createPolicyFiles>;
