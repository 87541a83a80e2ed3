import fs from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommitView } from '@fso/shared/api';
import type { RawObject } from '@fso/shared/git';
import git from 'isomorphic-git';
import { GitTransportError } from './git-errors.ts';
import type { GitHttp } from './git-http.ts';

/** A bare clone. Reads reject with isomorphic-git's NotFoundError for an object that is not here. */
export interface Clone {
  /** @returns the id of the commit that the ref points to. */
  fetch(signal: AbortSignal): Promise<string>;
  commit(id: string): Promise<CommitView>;
  object(id: string): Promise<RawObject>;
  /** Throws the clone away; the next fetch makes a new one. */
  reset(): Promise<void>;
  /** How many fetches the clone consists of: each leaves a pack, and a lookup may go through all of them. */
  packs(): Promise<number>;
  /**
   * Fetches everything once more, as one pack, and puts it in the clone's place. Nothing may be read meanwhile.
   *
   * @throws when the repository cannot be fetched or no longer has the commit `keep`; the clone is then as it was
   */
  renew(keep: string, signal: AbortSignal): Promise<void>;
}

export interface CloneOptions {
  readonly gitdir: string;
  readonly url: string;
  readonly ref: string;
  readonly http: GitHttp;
}

/** Where the last fetched commit is remembered: what a fetch tells the server that it has. */
const HELD_REF = 'refs/heads/held';

export const isObjectMissing = (error: unknown): boolean => error instanceof git.Errors.NotFoundError;
export const isCloneDamaged = (error: unknown): boolean => error instanceof git.Errors.InternalError;

const remove = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true });

export const openClone = async (options: CloneOptions): Promise<Clone> => {
  const { gitdir, url, ref, http } = options;
  // isomorphic-git keeps parsed pack indexes here; never shared between clones.
  let cache = {};
  const init = async (): Promise<void> => {
    await mkdir(gitdir, { recursive: true, mode: 0o700 });
    await git.init({ fs, gitdir, bare: true, defaultBranch: 'held' });
    await git.addRemote({ fs, gitdir, remote: 'origin', url, force: true });
  };
  await init();

  const at = (id: string) => ({ fs, gitdir, cache, oid: id });
  return {
    fetch: async (signal) => {
      const { fetchHead } = await git.fetch({
        fs,
        gitdir,
        cache,
        url,
        http: http.client(signal),
        // `ref` names what the server learns that the clone has, `remoteRef` what the clone asks for.
        ref: HELD_REF,
        remoteRef: ref,
        remote: 'origin',
        singleBranch: true,
        tags: false,
      });
      if (fetchHead === null) throw new GitTransportError('the repository has no commits');
      // An annotated tag is peeled to its commit.
      const { oid } = await git.readCommit(at(fetchHead));
      await git.writeRef({ fs, gitdir, ref: HELD_REF, value: oid, force: true });
      return oid;
    },
    commit: async (id) => {
      const { commit } = await git.readCommit(at(id));
      return {
        revision: id,
        author: `${commit.author.name} <${commit.author.email}>`,
        subject: commit.message.split('\n', 1)[0] ?? '',
        time: new Date(commit.committer.timestamp * 1000).toISOString(),
      };
    },
    object: async (id) => {
      const { type, object } = await git.readObject({ ...at(id), format: 'content' });
      if (type !== 'commit' && type !== 'tree' && type !== 'blob') throw new Error(`object ${id} is a ${type}`);
      return { type, data: object as Uint8Array };
    },
    reset: async () => {
      await remove(gitdir);
      cache = {};
      await init();
    },
    packs: async () => {
      const names = await readdir(join(gitdir, 'objects', 'pack')).catch((): string[] => []);
      return names.filter((name) => name.endsWith('.idx')).length;
    },
    renew: async (keep, signal) => {
      const [fresh, old] = [`${gitdir}.new`, `${gitdir}.old`];
      await Promise.all([remove(fresh), remove(old)]);
      const clone = await openClone({ ...options, gitdir: fresh });
      await clone.fetch(signal);
      await clone.object(keep);
      await rename(gitdir, old);
      await rename(fresh, gitdir);
      cache = {};
      await remove(old);
    },
  };
};
