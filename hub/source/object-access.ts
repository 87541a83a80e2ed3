import { filesOfRevision, parseCommit, type RawObject, type RevisionFiles } from '@fso/shared/protocol';
import { dropOldest } from '../drop-oldest.ts';
import { type Clone, isObjectMissing } from './clone.ts';
import type { ObjectAccess } from './types.ts';

/** Revisions whose objects stay in memory: the one in force, a rejected one, what agents lag behind with. */
const REVISIONS_KEPT = 4;
/** Object lists kept beyond these; ids only. */
const LISTS_KEPT = 64;

export interface RevisionReader extends ObjectAccess {
  /** The policy files of a commit, read by the same walk that agents check it with. */
  files(revision: string): Promise<RevisionFiles>;
}

/** The way from the commit where a search ended to the one where it began, without the former. */
const trace = (cameFrom: ReadonlyMap<string, string | null>, found: string): readonly string[] => {
  const chain: string[] = [];
  for (let id = cameFrom.get(found); id; id = cameFrom.get(id)) chain.push(id);
  return chain;
};

/** Breadth first from the newer commit back, so that the chain is a shortest one. */
const findChain = async (
  parentsOf: (id: string) => Promise<readonly string[]>,
  { from, to }: { from: string; to: string },
  limit: number,
): Promise<readonly string[] | null> => {
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

/** @param chainLimit commits looked at for the way from one to another */
export const createRevisionReader = (clone: Clone, chainLimit: number): RevisionReader => {
  const loaded = new Map<string, ReadonlyMap<string, RawObject>>();
  const lists = new Map<string, readonly string[]>();

  const find = async (id: string): Promise<RawObject | undefined> => {
    for (const objects of loaded.values()) {
      const object = objects.get(id);
      if (object !== undefined) return object;
    }
    try {
      return await clone.object(id);
    } catch (error) {
      if (isObjectMissing(error)) return undefined;
      throw error;
    }
  };

  const files = async (revision: string): Promise<RevisionFiles> => {
    const read = await filesOfRevision(revision, find);
    if (read.ok) {
      loaded.set(revision, read.objects);
      dropOldest(loaded, REVISIONS_KEPT);
      lists.set(revision, [...read.objects.keys()]);
      dropOldest(lists, LISTS_KEPT);
    }
    return read;
  };

  const parentsOf = async (id: string): Promise<readonly string[]> => {
    const object = await find(id);
    return object?.type === 'commit' ? parseCommit(object.data).parents : [];
  };

  return {
    files,
    objectsOf: async (revision) => {
      const known = lists.get(revision);
      if (known !== undefined) return known;
      const read = await files(revision);
      return read.ok ? [...read.objects.keys()] : null;
    },
    chain: (from, to) => findChain(parentsOf, { from, to }, chainLimit),
    read: async (id) => {
      const object = await find(id);
      if (object === undefined) throw new Error(`object ${id} is not in the clone`);
      return { id, type: object.type, data: Buffer.from(object.data).toString('base64') };
    },
  };
};
