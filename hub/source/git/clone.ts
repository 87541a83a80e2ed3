import fs from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommitView } from '@fso/shared/api';
import { type GitCommit, GitObjectError, parseCommit, type RawObject } from '@fso/shared/git';
import git from 'isomorphic-git';
import { commitView } from '../commit-view.ts';
import { GitTransportError } from './git-errors.ts';
import type { GitHttp } from './git-http.ts';
import { objectFilesOf } from './object-files.ts';
import { checkRefsAnswer } from './pack-limits.ts';
import { receivePack } from './receive-pack.ts';

/**
 * A bare clone. Reads reject with isomorphic-git's NotFoundError for a missing object.
 */
export interface Clone {
  /** @returns the id of the commit that the ref points to. */
  fetch(signal: AbortSignal): Promise<string>;
  commit(id: string): Promise<CommitView>;
  object(id: string): Promise<RawObject>;
  /** Removes all objects of the clone. The next fetch gets them again. */
  reset(): Promise<void>;
  /**
   * Returns the number of packs. Each fetch adds one, and a lookup may go through all of them.
   */
  packs(): Promise<number>;
  /** Memory that the clone takes once all of it has been read, in bytes. */
  weight(): Promise<number>;
  /** Lists the tags whose names begin with a prefix, with the ids of their objects. */
  listTags(prefix: string, signal: AbortSignal): Promise<readonly { readonly name: string; readonly id: string }[]>;
  /** Fetches an annotated tag. @returns its object; undefined if the tag is not annotated */
  fetchTag(name: string, id: string, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /**
   * Fetches everything again as one pack, and replaces the clone with that. Reads wait only during
   * the replacement.
   *
   * @throws when the repository cannot be fetched or no longer has the commit `keep`; the clone is
   * then as it was
   */
  renew(keep: string, signal: AbortSignal): Promise<void>;
}

/** Folder of a clone, and the repository and ref that it follows. */
export interface CloneOptions {
  readonly gitdir: string;
  readonly url: string;
  readonly ref: string;
  readonly http: GitHttp;
}

/** Ref of the last fetched commit. A fetch tells the server that the clone has it. */
const HELD_REF = 'refs/heads/held';

/** Whether an error means that the clone lacks a Git object: it is incomplete, not damaged. */
export const isGitObjectMissing = (error: unknown): boolean => error instanceof git.Errors.NotFoundError;
/** Whether an error means that files of the clone cannot be read: it must be cloned again. */
export const isCloneDamaged = (error: unknown): boolean => error instanceof git.Errors.InternalError;

/** Most annotated tags between a ref and its commit. */
const MAX_TAGS = 8;
const TAG_REFS = 'refs/tags/';
const TAGGED = /^object ([0-9a-f]{40})\n/;

/** Most merged branches of a commit whose newest messages are read. */
const MAX_MERGED = 8;

/**
 * Parses a commit. One that cannot be parsed, such as one that is too large, is read as empty here,
 * and refused later with a reason.
 */
const parseLoosely = (data: Uint8Array): Omit<GitCommit, 'tree'> => {
  try {
    return parseCommit(data);
  } catch (error) {
    if (!(error instanceof GitObjectError)) throw error;
    return { parents: [], author: '', committer: '', message: '' };
  }
};

/** Makes the view of a commit, with the newest messages of the branches that it merges. */
const describeCommit = async (id: string, read: (id: string) => Promise<Pick<RawObject, 'data'>>): Promise<CommitView> => {
  const commit = parseLoosely((await read(id)).data);
  const merged = await Promise.all(
    commit.parents.slice(1, 1 + MAX_MERGED).map(async (parent) => {
      try {
        return parseLoosely((await read(parent)).data).message;
      } catch (error) {
        if (isGitObjectMissing(error)) return '';
        throw error;
      }
    }),
  );
  return commitView(id, commit, merged);
};

/**
 * Bytes of memory for a byte in the index of a pack: 32 bytes for an object become a name of 40
 * characters in a map, and its checksum.
 */
const INDEX_WEIGHT = 6;
/**
 * Weight of a clone beyond which the cache is dropped before a fetch, which takes several times its
 * own size.
 */
const CACHE_WEIGHT = 32 * 1024 * 1024;

/** Files in which a clone keeps its objects, and their indexes. */
const packFilesOf = async (gitdir: string): Promise<readonly string[]> => {
  const folder = join(gitdir, 'objects', 'pack');
  const names = await readdir(folder).catch((): string[] => []);
  return names.map((name) => join(folder, name));
};

/** See {@link Clone.weight}. */
const weightOf = async (gitdir: string): Promise<number> => {
  const weights = (await packFilesOf(gitdir)).map(async (file) => (await stat(file)).size * (file.endsWith('.idx') ? INDEX_WEIGHT : 1));
  return (await Promise.all(weights)).reduce((sum, bytes) => sum + bytes, 0);
};

const remove = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true });

/** Lock of a folder, which many may use at the same time, or one may replace. */
class ReplacementGuard {
  #users = 0;
  #idle: (() => void) | undefined;
  #replacing: Promise<void> | undefined;

  async use<T>(work: () => Promise<T>): Promise<T> {
    while (this.#replacing !== undefined) await this.#replacing;
    this.#users += 1;
    try {
      return await work();
    } finally {
      this.#users -= 1;
      if (this.#users === 0) this.#idle?.();
    }
  }

  /** Runs work that replaces the folder, once all that use it are done. One call at a time. */
  async replace(work: () => Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#replacing = promise;
    try {
      if (this.#users > 0) await new Promise<void>((done) => (this.#idle = done));
      await work();
    } finally {
      this.#idle = undefined;
      this.#replacing = undefined;
      resolve();
    }
  }
}

/** Fetches one ref of the repository into a clone. */
const fetchRef = ({ gitdir, url, http }: CloneOptions, cache: object, remoteRef: string, signal: AbortSignal) =>
  git.fetch({
    fs,
    gitdir,
    cache,
    url,
    http: http.client(signal, (answer, stop) => receivePack(answer, gitdir, stop)),
    // `ref` names what the server learns that the clone has, `remoteRef` what the clone asks for.
    ref: HELD_REF,
    remoteRef,
    remote: 'origin',
    singleBranch: true,
    tags: false,
  });

/**
 * Lists the refs of a repository whose names begin with a prefix, with the ids of their objects.
 *
 * @throws GitTransportError, the errors of isomorphic-git, the signal's reason
 */
export const listRefs = async ({ url, http }: Pick<CloneOptions, 'url' | 'http'>, prefix: string, signal: AbortSignal) => {
  const client = http.client(signal, async (answer) => {
    checkRefsAnswer(answer);
    return answer;
  });
  const refs = await git.listServerRefs({ http: client, url, prefix });
  // A server may ignore the prefix (gitprotocol-v2(5), ls-refs).
  return refs.filter(({ ref }) => ref.startsWith(prefix));
};

/** See {@link Clone.listTags}. */
const listTags = async (options: CloneOptions, prefix: string, signal: AbortSignal) =>
  (await listRefs(options, TAG_REFS + prefix, signal)).map(({ ref, oid }) => ({ name: ref.slice(TAG_REFS.length), id: oid }));

/** Makes a bare clone that is empty, unless there is one. */
const init = async ({ gitdir, url }: CloneOptions): Promise<void> => {
  await mkdir(gitdir, { recursive: true, mode: 0o700 });
  await git.init({ fs, gitdir, bare: true, defaultBranch: 'held' });
  await git.addRemote({ fs, gitdir, remote: 'origin', url, force: true });
};

/** Opens a bare clone, or makes an empty one. */
export const openClone = async (options: CloneOptions): Promise<Clone> => {
  const { gitdir, ref } = options;
  // isomorphic-git keeps parsed pack indexes here; never shared between clones.
  let cache = {};
  let objectFiles = objectFilesOf(gitdir);
  const fetchObjects = async (remoteRef: string, signal: AbortSignal) => {
    try {
      return await fetchRef(options, cache, remoteRef, signal);
    } finally {
      objectFiles = objectFilesOf(gitdir);
    }
  };
  const forget = (): void => {
    cache = {};
    objectFiles = objectFilesOf(gitdir);
  };
  await init(options);

  const guard = new ReplacementGuard();
  const read = (id: string): Promise<{ readonly type: string; readonly data: Uint8Array }> =>
    guard.use(async () => {
      const { type, object } = await git.readObject({ fs: objectFiles, gitdir, cache, oid: id, format: 'content' });
      return { type, data: object as Uint8Array };
    });
  /** Resolves annotated tags to the commit that they name. */
  const peel = async (id: string, tags = 0): Promise<string> => {
    const { type, data } = await read(id);
    if (type === 'commit') return id;
    const named = type === 'tag' && tags < MAX_TAGS ? TAGGED.exec(Buffer.from(data).toString('latin1', 0, 64))?.[1] : undefined;
    if (named === undefined) throw new GitTransportError(`the ref ${ref} names no commit`);
    return peel(named, tags + 1);
  };
  return {
    fetch: async (signal) => {
      if ((await weightOf(gitdir)) > CACHE_WEIGHT) cache = {};
      const { fetchHead } = await fetchObjects(ref, signal);
      if (fetchHead === null) throw new GitTransportError('the repository has no commits');
      const oid = await peel(fetchHead);
      await git.writeRef({ fs, gitdir, ref: HELD_REF, value: oid, force: true });
      return oid;
    },
    commit: (id) => describeCommit(id, read),
    object: async (id) => {
      const { type, data } = await read(id);
      if (type !== 'commit' && type !== 'tree' && type !== 'blob') throw new Error(`object ${id} is a ${type}`);
      return { type, data };
    },
    listTags: (prefix, signal) => listTags(options, prefix, signal),
    fetchTag: async (name, id, signal) => {
      await fetchObjects(TAG_REFS + name, signal);
      const { type, data } = await read(id);
      return type === 'tag' ? data : undefined;
    },
    reset: async () => {
      await remove(gitdir);
      forget();
      await init(options);
    },
    packs: async () => (await packFilesOf(gitdir)).filter((file) => file.endsWith('.idx')).length,
    weight: () => weightOf(gitdir),
    renew: async (keep, signal) => {
      const [fresh, old] = [`${gitdir}.new`, `${gitdir}.old`];
      await Promise.all([remove(fresh), remove(old)]);
      const clone = await openClone({ ...options, gitdir: fresh });
      await clone.fetch(signal);
      await clone.object(keep).catch((error: unknown) => {
        if (!isGitObjectMissing(error)) throw error;
        throw new GitTransportError(`the ref ${ref} no longer has the commit ${keep}, which was accepted last`);
      });
      await guard.replace(async () => {
        await rename(gitdir, old);
        await rename(fresh, gitdir);
        forget();
      });
      await remove(old);
    },
  };
};
