import { rm } from 'node:fs/promises';
import type { GetObject } from '@fso/shared/git';
import git from 'isomorphic-git';
import { isGitObjectMissing } from './clone.ts';
import { GitTransportError } from './git-errors.ts';
import type { GitHttp } from './git-http.ts';
import { objectFilesOf } from './object-files.ts';
import type { PackLimits } from './pack-limits.ts';
import { storePack } from './receive-pack.ts';

/** A commit that is fetched on its own, and the folder of its objects meanwhile. */
export interface CommitFetch {
  readonly folder: string;
  readonly url: string;
  readonly http: GitHttp;
  /** Commit that the server has just named as that of a branch. */
  readonly want: string;
  /** Commit whose objects are not sent, as the caller has them; undefined to get all objects. */
  readonly have: string | undefined;
}

/** Limits of a pack that anyone who may push can cause: lower than those of the followed branch. */
const LIMITS: PackLimits = {
  objectBytes: 16 * 1024 * 1024,
  inflatedBytes: 128 * 1024 * 1024,
  resolvedBytes: 256 * 1024 * 1024,
  objects: 50_000,
};

const SERVICE = 'git-upload-pack';
const HEADERS = { 'Content-Type': `application/x-${SERVICE}-request`, Accept: `application/x-${SERVICE}-result` };

/** A pkt-line (gitprotocol-common(5)). */
const line = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;

/**
 * Requests the objects that one commit has and another lacks, as one pack (gitprotocol-pack(5)).
 * Hosts that follow the protocol closely refuse clients without these capabilities.
 */
async function* requestOf({ want, have }: CommitFetch) {
  const known = have === undefined ? '' : line(`have ${have}\n`);
  yield Buffer.from(`${line(`want ${want} multi_ack_detailed side-band-64k ofs-delta no-progress\n`)}0000${known}${line('done\n')}`);
}

/** Whether the server refuses the commit, because the branch has moved meanwhile. */
const isRefused = (answer: Buffer): boolean => answer.toString('latin1', 4, 8) === 'ERR ';

const download = async (fetch: CommitFetch, signal: AbortSignal): Promise<void> => {
  const client = fetch.http.client(signal, async (answer, stop) => {
    if (isRefused(answer)) throw new GitTransportError('the branch has moved or was deleted meanwhile: ask again');
    await storePack({ answer, gitdir: fetch.folder, limits: LIMITS }, stop);
    return new Uint8Array();
  });
  const request = { url: `${fetch.url}/${SERVICE}`, method: 'POST', headers: HEADERS, body: requestOf(fetch) };
  const { statusCode, statusMessage } = await client.request(request);
  if (statusCode !== 200) throw new git.Errors.HttpError(statusCode, statusMessage, '');
};

/**
 * Creates a reader of the objects in a folder, which returns undefined for missing ones and tags.
 */
const readerOf = (gitdir: string): GetObject => {
  const [fs, cache] = [objectFilesOf(gitdir), {}];
  return async (id) => {
    try {
      const { type, object } = await git.readObject({ fs, gitdir, cache, oid: id, format: 'content' });
      return type === 'commit' || type === 'tree' || type === 'blob' ? { type, data: object as Uint8Array } : undefined;
    } catch (error) {
      if (isGitObjectMissing(error)) return undefined;
      throw error;
    }
  };
};

/**
 * Fetches the objects of a commit, and removes them once they are used. They never enter a clone,
 * whose objects are kept and offered to agents.
 *
 * @param use gets the objects that were fetched, by id
 * @throws GitTransportError, the errors of isomorphic-git, the signal's reason
 */
export const withFetchedCommit = async <T>(fetch: CommitFetch, use: (find: GetObject) => Promise<T>, signal: AbortSignal): Promise<T> => {
  const remove = (): Promise<void> => rm(fetch.folder, { recursive: true, force: true });
  // A hub that ended during a fetch has left the folder.
  await remove();
  try {
    await download(fetch, signal);
    return await use(readerOf(fetch.folder));
  } finally {
    await remove();
  }
};
