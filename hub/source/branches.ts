import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProblemView } from '@fso/shared/api';
import type { SourceFile } from '@fso/shared/decode';
import { BranchName, type BranchTip, MAX_BRANCHES, type PlannedBranch } from '@fso/shared/effects';
import { byText } from '@fso/shared/encoding';
import { filesOfRevision, type GetObject, GitObjectError, readCommitLinks } from '@fso/shared/git';
import { Mutex, type Runtime, untilAborted } from '@fso/shared/runtime';
import { listRefs } from './git/clone.ts';
import { withFetchedCommit } from './git/fetch-commit.ts';
import { describeGitError, GitTransportError } from './git/git-errors.ts';
import { createRepositoryHttp, type GitHttp } from './git/git-http.ts';
import type { RevisionReader } from './object-access.ts';
import { problemsOf } from './revision-checker.ts';
import type { SourceOptions } from './types.ts';

/** Branches of the repository other than the followed one. */
export interface ListedBranches {
  /** The first by name, of those that have a {@link BranchName}. */
  readonly branches: readonly BranchTip[];
  readonly total: number;
  /** Time at which the repository was asked; RFC 3339. */
  readonly read: string;
}

/** Policy files of the newest commit of a branch. */
export interface BranchFiles extends BranchTip, Pick<PlannedBranch, 'ahead' | 'behind'> {
  readonly files: readonly SourceFile[];
}

/** Error of a branch, or of the list of branches, that cannot be read. */
export class BranchError extends Error {
  override readonly name = 'BranchError';
  readonly code: 'bad-request' | 'not-found' | 'conflict' | 'source-unavailable';
  /** Problems of its files. */
  readonly problems: readonly ProblemView[];

  constructor(code: BranchError['code'], message: string, problems: readonly ProblemView[] = []) {
    super(message);
    this.code = code;
    this.problems = problems;
  }
}

/** Parts of the process that {@link Branches} uses. */
export interface BranchesDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly metrics: { step(step: 'branch', result: 'ok' | 'error', seconds: number): void };
  /** Reads the followed clone, to which nothing is added. */
  readonly followed: RevisionReader;
}

const HEADS = 'refs/heads/';
/** Time for which all callers get the same list, or the same error, in milliseconds. */
const LIST_MS = 5_000;
/** Timeouts of listing branches and of fetching one, in milliseconds. */
const GIVE_UP_MS = { list: 10_000, fetch: 60_000 };
/** Most commits of a branch that are counted, and most points where it left the followed branch. */
const COUNTED = { commits: 1_000, ends: 4 };

/** Most problems that an error lists. */
const PROBLEMS = 100;

/** Name of the followed branch; a tag has none. */
const branchOf = (ref: string): string => (ref.startsWith(HEADS) ? ref.slice(HEADS.length) : ref);

interface BranchWalk {
  readonly followed: RevisionReader;
  readonly find: GetObject;
}

/** Parents of a commit. @throws GitObjectError, also if the commit is missing */
const parentsOf = async (id: string, find: GetObject): Promise<readonly string[]> => {
  const object = await find(id);
  if (object?.type !== 'commit') throw new GitObjectError(`commit ${id} is not there`);
  return readCommitLinks(object.data).parents;
};

/**
 * Walks from the tip of a branch to the commits of the followed clone.
 *
 * @returns number of commits on the way, and where it ends; null if there are too many
 * @throws GitObjectError
 */
const walkToFollowed = async (tip: string, { followed, find }: BranchWalk) => {
  const ends: string[] = [];
  let ahead = 0;
  const commits = new Set([tip]);
  for (const id of commits) {
    if ((await followed.object(id)) !== undefined) ends.push(id);
    else {
      ahead += 1;
      if (ahead > COUNTED.commits) return null;
      for (const parent of await parentsOf(id, find)) commits.add(parent);
    }
  }
  return { ahead, ends };
};

/**
 * Counts the commits by which a branch is ahead of the commit in force, and behind it.
 *
 * @throws GitObjectError
 */
const countCommits = async (tip: string, base: string, walk: BranchWalk): Promise<Pick<PlannedBranch, 'ahead' | 'behind'>> => {
  const { followed } = walk;
  const found = await walkToFollowed(tip, walk);
  if (found === null) return { ahead: null, behind: null };
  const { ahead, ends } = found;
  const ways: number[] = [];
  for (const id of ends.slice(0, COUNTED.ends)) {
    const way = await followed.chain(id, base);
    if (way !== null) ways.push(way.length);
  }
  if (ways.length > 0) return { ahead, behind: Math.min(...ways) };
  // The branch may contain a commit of the followed branch that is newer than the one in force.
  const beyond = ends[0] === undefined ? null : await followed.chain(base, ends[0]);
  return beyond === null ? { ahead, behind: null } : { ahead: ahead + beyond.length, behind: 0 };
};

/**
 * Reads branches other than the followed one, on request. They are unsigned input: the objects of
 * one branch at a time are fetched into a folder of their own, and removed afterwards. Connections
 * are separate, too, so that the followed branch never waits for others.
 */
export class Branches {
  readonly #options: SourceOptions;
  readonly #deps: BranchesDeps;
  readonly #http: GitHttp;
  readonly #folder: string;
  readonly #fetching = new Mutex();
  #listed: { readonly list: Promise<ListedBranches>; untilMs: number } | undefined;

  constructor(options: SourceOptions, deps: BranchesDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#http = createRepositoryHttp(options, deps.clock);
    this.#folder = join(options.dataDir, 'git.branch');
  }

  /** Removes objects that a crashed hub has left, and closes the connections once aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const remove = (): Promise<void> => rm(this.#folder, { recursive: true, force: true });
    await this.#fetching.run(remove).catch((err: unknown) => this.#deps.logger.error({ err }, 'objects of a branch cannot be removed'));
    await untilAborted(signal);
    await this.#http.close();
  }

  /** Lists the branches. Callers within some seconds get the same list. @throws BranchError */
  list(): Promise<ListedBranches> {
    const { clock } = this.#deps;
    if (this.#listed !== undefined && clock.monotonicMs() < this.#listed.untilMs) return this.#listed.list;
    const listed = { list: this.#readList(), untilMs: Number.POSITIVE_INFINITY };
    this.#listed = listed;
    const expire = (): void => {
      listed.untilMs = clock.monotonicMs() + LIST_MS;
    };
    listed.list.then(expire, expire);
    return listed.list;
  }

  /**
   * Reads the policy files of a branch, one branch at a time.
   *
   * @param base commit in force, from which the commits of the branch are counted
   * @throws BranchError; the signal's reason
   */
  read(name: string, base: string, signal: AbortSignal): Promise<BranchFiles> {
    return this.#fetching.run(async () => {
      const { clock, metrics } = this.#deps;
      const started = clock.monotonicMs();
      let result: 'ok' | 'error' = 'error';
      try {
        const files = await this.#read(name, base, AbortSignal.any([signal, AbortSignal.timeout(GIVE_UP_MS.fetch)]));
        result = 'ok';
        return files;
      } catch (error) {
        signal.throwIfAborted();
        throw this.#unavailable(error, 'of the branch');
      } finally {
        metrics.step('branch', result, (clock.monotonicMs() - started) / 1000);
      }
    }, signal);
  }

  async #readList(): Promise<ListedBranches> {
    const read = this.#deps.clock.now().toISOString();
    const followed = branchOf(this.#options.ref);
    try {
      const refs = await this.#refs(HEADS, AbortSignal.timeout(GIVE_UP_MS.list));
      const others = refs.filter(({ name }) => name !== followed);
      const named = others.filter(({ name }) => BranchName.safeParse(name).success);
      const branches = named.toSorted((one, other) => byText(one.name, other.name)).slice(0, MAX_BRANCHES);
      return { branches, total: others.length, read };
    } catch (error) {
      throw this.#unavailable(error, 'of branches');
    }
  }

  /** Makes a BranchError of any other error, and logs that without the name of the branch. */
  #unavailable(error: unknown, ref: string): BranchError {
    if (error instanceof BranchError) return error;
    const reason = describeGitError(error, ref);
    this.#deps.logger.warn({ reason }, 'branches cannot be read');
    return new BranchError('source-unavailable', `The policy repository cannot be read: ${reason}.`);
  }

  async #refs(prefix: string, signal: AbortSignal): Promise<readonly BranchTip[]> {
    const refs = await listRefs({ url: this.#options.url, http: this.#http }, prefix, signal);
    return refs.filter(({ oid }) => /^[0-9a-f]{40}$/.test(oid)).map(({ ref, oid }) => ({ name: ref.slice(HEADS.length), revision: oid }));
  }

  async #read(name: string, base: string, signal: AbortSignal): Promise<BranchFiles> {
    const tip = (await this.#refs(HEADS + name, signal)).find((branch) => branch.name === name);
    if (tip === undefined || name === branchOf(this.#options.ref))
      throw new BranchError('not-found', 'The policy repository has no such branch beside the one that the hub follows.');
    const { followed } = this.#deps;
    const findIn =
      (own: GetObject = () => undefined): GetObject =>
      async (id) => {
        // Stops reading once the caller no longer waits.
        signal.throwIfAborted();
        return (await followed.object(id)) ?? own(id);
      };
    if ((await followed.object(tip.revision)) !== undefined) return this.#filesOf(tip, base, findIn());
    const have = (await followed.object(base)) === undefined ? undefined : base;
    const fetch = { folder: this.#folder, url: this.#options.url, http: this.#http, want: tip.revision, have };
    try {
      return await withFetchedCommit(fetch, (own) => this.#filesOf(tip, base, findIn(own)), signal);
    } catch (error) {
      if (!(error instanceof GitTransportError)) throw error;
      throw new BranchError('conflict', `The branch cannot be fetched: ${error.message}.`);
    }
  }

  async #filesOf(tip: BranchTip, base: string, find: GetObject): Promise<BranchFiles> {
    const read = await filesOfRevision(tip.revision, find);
    if (!read.ok)
      throw new BranchError('bad-request', 'The policy files of the branch cannot be read.', problemsOf(read).slice(0, PROBLEMS));
    const counts = await countCommits(tip.revision, base, { followed: this.#deps.followed, find }).catch((error: unknown) => {
      if (error instanceof GitObjectError) return { ahead: null, behind: null };
      throw error;
    });
    return { ...tip, ...counts, files: read.files };
  }
}
