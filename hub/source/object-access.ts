import {
  editsOfTree,
  filesOfRevision,
  findTreeEntry,
  parseTree,
  type RawObject,
  type RevisionFiles,
  readCommitLinks,
  SIGNERS_FILES,
  SIGNERS_FOLDER,
} from '@fso/shared/git';
import type { GitObject } from '@fso/shared/protocol';
import { dropOldest } from '@fso/shared/runtime';
import { type Clone, isGitObjectMissing } from './git/clone.ts';
import { RevisionParts } from './revision-parts.ts';
import type { ObjectAccess } from './types.ts';

/**
 * Most revisions whose objects stay in memory: the one in force, a rejected one, and older ones
 * that some agents still have.
 */
const REVISIONS_KEPT = 4;

/** Reads commits and their policy files from the clone. */
export interface RevisionReader extends ObjectAccess {
  /** The policy files of a commit, read by the same walk that agents check it with. */
  files(revision: string): Promise<RevisionFiles>;
  /** Reads an object; undefined if it is not in the clone. */
  object(id: string): Promise<RawObject | undefined>;
}

/** Returns the chain that a search has found: from the commit after `found` to the newest one. */
const trace = (cameFrom: ReadonlyMap<string, string | null>, found: string): readonly string[] => {
  const chain: string[] = [];
  for (let id = cameFrom.get(found); id; id = cameFrom.get(id)) chain.push(id);
  return chain;
};

type ParentsOf = (id: string) => Promise<readonly string[]>;
interface Way {
  readonly from: string;
  readonly to: string;
}

/**
 * Finds the chain along first parents. Commits that were merged into the branch were not in force
 * by themselves.
 */
const findMainline = async (parentsOf: ParentsOf, { from, to }: Way, limit: number): Promise<readonly string[] | null> => {
  const chain: string[] = [];
  for (let id: string | undefined = to; id !== undefined && chain.length < limit; [id] = await parentsOf(id)) {
    if (id === from) return chain.reverse();
    chain.push(id);
  }
  return null;
};

/** Finds a shortest chain, by a breadth-first search from the newer commit. */
const findShortest = async (parentsOf: ParentsOf, way: Way, limit: number): Promise<readonly string[] | null> => {
  const { from, to } = way;
  const cameFrom = new Map<string, string | null>([[to, null]]);
  const queue = [to];
  for (const id of queue) {
    if (id === from) return trace(cameFrom, from);
    if (queue.length > limit) return null;
    const unseen = (await parentsOf(id)).filter((parent) => !cameFrom.has(parent));
    for (const parent of unseen) cameFrom.set(parent, id);
    queue.push(...unseen);
  }
  return null;
};

const base64 = (data: Uint8Array): string => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');

const wholeObject = (id: string, { type, data }: RawObject): GitObject => ({ id, type, data: base64(data) });

interface PairedTrees {
  readonly pairs: Map<string, string>;
  /** Ids of the objects of the newer commit that concern policies. */
  readonly wanted: ReadonlySet<string>;
}

/** Maximum number of edits of a tree. More would not be shorter, and a frame holds no more. */
const MAX_EDITS = 10_000;

/** Expresses a tree by edits of another tree; undefined if most of the tree is new. */
const editedTree = (id: string, tree: Uint8Array, base: { readonly id: string; readonly data: Uint8Array }): GitObject | undefined => {
  const edits = editsOfTree(base.data, tree);
  const inserted = edits.reduce((bytes, { insert }) => bytes + insert.byteLength, 0);
  if (inserted > tree.byteLength / 2 || edits.length > MAX_EDITS) return undefined;
  return { id, base: base.id, edits: edits.map(({ at, remove, insert }) => [at, remove, base64(insert)]) };
};

/** Follows commits and trees from object to object, as far as the clone has them. */
class ObjectWalk {
  readonly #find: (id: string) => Promise<RawObject | undefined>;

  constructor(find: (id: string) => Promise<RawObject | undefined>) {
    this.#find = find;
  }

  async parentsOf(commit: string): Promise<readonly string[]> {
    const object = await this.#find(commit);
    return object?.type === 'commit' ? readCommitLinks(object.data).parents : [];
  }

  async treeOf(commit: string): Promise<string | undefined> {
    const object = await this.#find(commit);
    return object?.type === 'commit' ? readCommitLinks(object.data).tree : undefined;
  }

  /**
   * Pairs trees of `to` with those of `from` at the same path. Folders outside of the policy are
   * not read, as nothing in them may stop an offer.
   */
  async pairTrees(from: string | undefined, to: string | undefined, found: PairedTrees): Promise<void> {
    const { pairs, wanted } = found;
    if (from === undefined || to === undefined || from === to || pairs.has(to) || !wanted.has(to)) return;
    pairs.set(to, from);
    const before = new Map((await this.#entriesOf(from)).map(({ name, kind, id }) => [`${kind} ${name}`, id]));
    for (const { name, kind, id } of await this.#entriesOf(to))
      if (kind === 'tree') await this.pairTrees(before.get(`tree ${name}`), id, found);
  }

  /**
   * Ids of the objects that prove a commit: the commit, its tree, and its folder of signers with
   * its files, unless that folder is in `named`.
   */
  async proofOf(commit: string, named: ReadonlySet<string>): Promise<readonly string[]> {
    const tree = await this.treeOf(commit);
    if (tree === undefined) return [commit];
    const signers = await this.#entryOf(tree, SIGNERS_FOLDER);
    if (signers?.kind !== 'tree' || named.has(signers.id)) return [commit, tree];
    const files = await Promise.all(Object.keys(SIGNERS_FILES).map((name) => this.#entryOf(signers.id, name)));
    return [commit, tree, signers.id, ...files.flatMap((file) => (file?.kind === 'blob' ? file.id : []))];
  }

  async #entriesOf(tree: string) {
    const object = await this.#find(tree);
    return object?.type === 'tree' ? parseTree(object.data) : [];
  }

  /** Finds an entry of a folder; undefined if it has none, or is not in the clone. */
  async #entryOf(tree: string, name: string) {
    const object = await this.#find(tree);
    return object?.type === 'tree' ? findTreeEntry(object.data, name) : undefined;
  }
}

/**
 * Creates the reader of commits in a clone.
 *
 * @param chainLimit most commits that are searched for a chain
 */
export const createRevisionReader = (clone: Clone, chainLimit: number): RevisionReader => {
  const loaded = new Map<string, ReadonlyMap<string, RawObject>>();

  const find = async (id: string): Promise<RawObject | undefined> => {
    for (const objects of loaded.values()) {
      const object = objects.get(id);
      if (object !== undefined) return object;
    }
    try {
      return await clone.object(id);
    } catch (error) {
      if (isGitObjectMissing(error)) return undefined;
      throw error;
    }
  };

  const files = async (revision: string): Promise<RevisionFiles> => {
    const read = await filesOfRevision(revision, find);
    if (read.ok) {
      loaded.set(revision, read.objects);
      dropOldest(loaded, REVISIONS_KEPT);
      parts.note(revision, read);
    }
    return read;
  };
  const parts = new RevisionParts(find, files);

  const walk = new ObjectWalk(find);

  return {
    files,
    object: find,
    proof: async (chain) => {
      const ids = new Set<string>();
      for (const commit of chain) for (const id of await walk.proofOf(commit, ids)) ids.add(id);
      return [...ids];
    },
    partOf: (revision, cluster) => parts.partOf(revision, cluster),
    chain: async (from, to) => {
      // A revision that the clone does not have may be forged, and is not searched for.
      if ((await find(from)) === undefined) return null;
      const parentsOf = (id: string) => walk.parentsOf(id);
      return (await findMainline(parentsOf, { from, to }, chainLimit)) ?? findShortest(parentsOf, { from, to }, chainLimit);
    },
    counterparts: async (from, to) => {
      const pairs = new Map<string, string>();
      const wanted = new Set(await parts.all(to));
      await walk.pairTrees(await walk.treeOf(from), await walk.treeOf(to), { pairs, wanted });
      return pairs;
    },
    read: async (id, base) => {
      const object = await find(id);
      if (object === undefined) throw new Error(`object ${id} is not in the clone`);
      const before = base === undefined ? undefined : await find(base);
      if (base === undefined || before?.type !== 'tree' || object.type !== 'tree') return wholeObject(id, object);
      return editedTree(id, object.data, { id: base, data: before.data }) ?? wholeObject(id, object);
    },
  };
};
