import { join } from 'node:path';
import type { CommitView, ProblemView, SourceView } from '@fso/shared/api';
import type { PolicySet } from '@fso/shared/decode';
import { type Backoff, createBackoff, type Runtime, Wakeup } from '@fso/shared/runtime';
import { ApprovalTags } from './approval-tags.ts';
import { redact } from './commit-view.ts';
import { type Clone, isCloneDamaged, openClone } from './git/clone.ts';
import { describeGitError } from './git/git-errors.ts';
import { createRepositoryHttp, type GitHttp } from './git/git-http.ts';
import { createRevisionReader, type RevisionReader } from './object-access.ts';
import { createPolicyDocuments, type PolicyDocuments } from './policy-documents.ts';
import { RevisionChecker } from './revision-checker.ts';
import { createStateFile, type StateFile } from './state-file.ts';
import { DEFAULT_LIMITS, type RejectedRevision, type SourceOptions, type SourceRevision, type SourceTimes } from './types.ts';

/** Parts of the process that a {@link Source} uses. */
export interface SourceDeps extends Runtime {
  readonly metrics?: { step(step: 'fetch' | 'check', result: 'ok' | 'error', seconds: number): void };
}

const PROBLEMS_SHOWN = 100;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MIN_MS = 100;
/**
 * Smallest maximum of the backoff, even if the source polls more often: a failed fetch may be
 * expensive, such as by an answer that is too large.
 */
const BACKOFF_LONGEST_MS = 3_000;
const JITTER = 0.1;
const DEFAULT_MAX_PACKS = 64;

interface OpenedRepository {
  readonly http: GitHttp;
  readonly clone: Clone;
}

/**
 * Step ①, which follows a ref of a Git repository. It accepts a commit as a whole or refuses it: a
 * bad one is shown as rejected, and the last good one stays in force. Failed fetches are retried
 * with backoff, without end.
 */
export class Source {
  readonly objects: RevisionReader;
  readonly documents: PolicyDocuments;
  readonly approvals: ApprovalTags;
  readonly #options: SourceOptions;
  readonly #deps: SourceDeps;
  readonly #http: GitHttp;
  readonly #clone: Clone;
  readonly #checker: RevisionChecker;
  readonly #stateFile: StateFile;
  readonly #wakeup = new Wakeup();
  readonly #backoff: Backoff;
  readonly #revisionHandlers: ((revision: SourceRevision) => void)[] = [];
  readonly #rejectedHandlers: ((rejected: RejectedRevision) => void)[] = [];
  readonly #changeHandlers: ((view: SourceView) => void)[] = [];
  /** Replaced, never changed. */
  #view: SourceView;
  /** Commit that was checked last; null to check the next one in any case. */
  #head: string | null = null;
  #isFailing: boolean = false;

  constructor(options: SourceOptions, deps: SourceDeps, { http, clone }: OpenedRepository) {
    const { clock, logger, random } = deps;
    const { ref, pollMs, commitUrl } = options;
    this.#options = options;
    this.#deps = deps;
    this.#http = http;
    this.#clone = clone;
    this.objects = createRevisionReader(clone, options.limits?.chain ?? DEFAULT_LIMITS.chain);
    this.documents = createPolicyDocuments(this.objects.object, clock);
    this.approvals = new ApprovalTags(clone, deps);
    this.#checker = new RevisionChecker(options.trust, this.objects, () => clock.now());
    this.#stateFile = createStateFile(options.dataDir, logger);
    this.#backoff = createBackoff({
      baseMs: BACKOFF_FIRST_MS,
      maxMs: Math.max(pollMs, BACKOFF_LONGEST_MS),
      random,
      minMs: BACKOFF_MIN_MS,
    });
    const unread: SourceView = { url: redact(options.url), ref, revision: null, rejected: null, error: null, lastFetch: null };
    this.#view = { ...unread, ...(commitUrl === undefined ? {} : { commitUrl }) };
  }

  /** Asks for a fetch now. Any number of hints during a fetch cause exactly one more. */
  hint(): void {
    this.#wakeup.wake();
  }

  /**
   * Registers a handler of good revisions. Handlers are called synchronously and in order, and must
   * not throw.
   */
  onRevision(handler: (revision: SourceRevision) => void): void {
    this.#revisionHandlers.push(handler);
  }

  /**
   * Registers a handler as {@link onRevision} does, called each time that a commit is checked and
   * refused.
   */
  onRejected(handler: (rejected: RejectedRevision) => void): void {
    this.#rejectedHandlers.push(handler);
  }

  onChange(handler: (view: SourceView) => void): void {
    this.#changeHandlers.push(handler);
  }

  state(): SourceView {
    return this.#view;
  }

  /** Reads the policies of an earlier commit; see `RevisionChecker.read`. */
  read(revision: string): Promise<PolicySet | undefined> {
    return this.#checker.read(revision);
  }

  /**
   * Restores the last good revision, then follows the ref until aborted. Errors of Git do not make
   * it reject.
   */
  async run(signal: AbortSignal): Promise<void> {
    await this.#restore(signal);
    while (!signal.aborted) {
      await this.#syncOrFail(signal);
      await this.#wakeup.waitAtMost(this.#nextDelay(), this.#deps.clock, signal).catch(() => undefined);
    }
    await this.#http.close();
  }

  /** Restores the last good revision from the state file and the clone. */
  async #restore(signal: AbortSignal): Promise<void> {
    const state = await this.#stateFile.read();
    if (state === null) return;
    if (state.url !== this.#view.url || state.ref !== this.#view.ref) {
      // Objects of another repository must not pass for the history of this one. If they cannot be
      // removed, nothing is followed.
      await this.#clone.reset();
      return;
    }
    try {
      // Set even if the commit fails its check now, so that no older commit can follow it.
      this.#checker.accept({ revision: state.lastGood, verification: state.verification, trust: state.trust });
      await this.#tidy(state.lastGood, signal);
      await this.#take(state.lastGood);
      // A restored commit that is rejected is checked again after the next fetch.
      this.#head = this.#view.rejected === null ? this.#head : null;
    } catch (error) {
      this.#deps.logger.warn({ err: error }, 'clone cannot be read and is fetched again');
      await this.#renewClone();
    }
  }

  /**
   * Replaces a clone of many packs, so that lookups are fast and the folder is small. Only at
   * start, before anything reads the clone.
   */
  async #tidy(lastGood: string, signal: AbortSignal): Promise<void> {
    if ((await this.#clone.packs()) <= (this.#options.maxPacks ?? DEFAULT_MAX_PACKS)) return;
    try {
      await this.#clone.renew(lastGood, signal);
    } catch (error) {
      this.#deps.logger.info({ reason: describeGitError(error, this.#options.ref) }, 'clone stays as it is');
    }
  }

  /**
   * Replaces a clone that exceeds its limit because of commits that are no longer part of the
   * branch, such as refused ones. If that fails, nothing more is fetched into it: pushes must not
   * fill memory and disk.
   */
  async #keepSmall(signal: AbortSignal): Promise<void> {
    if ((await this.#clone.weight()) <= (this.#options.limits?.cloneBytes ?? DEFAULT_LIMITS.cloneBytes)) return;
    const { revision } = this.#view;
    if (revision === null) await this.#clone.reset();
    else await this.#clone.renew(revision.revision, signal);
  }

  /**
   * Removes the clone, which is only a cache. If that fails, the next fetch reports the problem,
   * and is retried.
   */
  async #renewClone(): Promise<void> {
    await this.#clone.reset().catch((err: unknown) => this.#deps.logger.error({ err }, 'damaged clone cannot be removed'));
  }

  async #syncOrFail(signal: AbortSignal): Promise<void> {
    try {
      await this.#sync(signal);
    } catch (error) {
      if (!signal.aborted) await this.#fail(error);
    }
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const { logger } = this.#deps;
    const noticed = this.#now();
    await this.#keepSmall(signal);
    const id = await this.#timed('fetch', () => this.#clone.fetch(signal));
    if (id === this.#head) await this.#stateFile.retry();
    else await this.#take(id, noticed);
    const hasRecovered = this.#view.error !== null;
    this.#isFailing = false;
    this.#backoff.reset();
    this.#change({ error: null, lastFetch: this.#now() });
    if (hasRecovered) logger.info({ revision: id }, 'source reachable again');
    await this.approvals.sync(signal);
  }

  async #fail(error: unknown): Promise<void> {
    const { logger } = this.#deps;
    this.#isFailing = true;
    const message = describeGitError(error, this.#options.ref);
    const known = this.#view.error;
    if (known?.message !== message) logger.warn({ reason: message, err: error }, 'source unreachable');
    this.#change({ error: { message, since: known?.since ?? this.#now() } });
    // Such as after a crash while a pack was written, or by a full disk.
    if (isCloneDamaged(error)) await this.#renewClone();
  }

  /**
   * Measures a step, which fails by an error or by a result that is not good. @param isGood
   * default: every result is
   */
  async #timed<T>(step: 'fetch' | 'check', work: () => Promise<T>, isGood: (result: T) => boolean = () => true): Promise<T> {
    const { clock, metrics } = this.#deps;
    const started = clock.monotonicMs();
    let isOk = false;
    try {
      const result = await work();
      isOk = isGood(result);
      return result;
    } finally {
      metrics?.step(step, isOk ? 'ok' : 'error', (clock.monotonicMs() - started) / 1000);
    }
  }

  #nextDelay(): number {
    if (this.#isFailing) return this.#backoff.next();
    return this.#options.pollMs * (1 + JITTER * (2 * this.#deps.random() - 1));
  }

  /** Checks a commit. @param noticed start of its fetch; undefined if it is restored */
  async #take(id: string, noticed?: string): Promise<void> {
    const restored = noticed === undefined;
    const fetched = this.#now();
    const commit = await this.#clone.commit(id);
    const found = await this.#timed(
      'check',
      () => this.#checker.check(id),
      ({ ok }) => ok,
    );
    const times: SourceTimes = { noticed: noticed ?? fetched, fetched, judged: this.#now() };
    if (!found.ok) {
      // A commit from the future is checked again at each fetch, as it becomes valid with time.
      this.#head = found.problems[0]?.code === 'commit-in-future' ? null : id;
      this.#reject(commit, found.problems, times);
      return;
    }
    this.#head = id;
    const { verification, trust, set } = found;
    this.#checker.accept({ revision: id, verification, trust });
    for (const handler of this.#revisionHandlers) handler({ commit, set, verification, times, restored });
    this.#change({ revision: commit, verification, rejected: null });
    this.#deps.logger.info({ revision: id, policies: set.policies.length, verification, restored }, 'revision accepted');
    const { url, ref } = this.#view;
    await this.#stateFile.write({ url, ref, lastGood: id, verification, trust });
  }

  #reject(commit: CommitView, problems: readonly ProblemView[], times: SourceTimes): void {
    const shown = problems.slice(0, PROBLEMS_SHOWN);
    for (const handler of this.#rejectedHandlers) handler({ commit, problems: shown, times });
    this.#change({ rejected: { commit, problems: shown } });
    this.#deps.logger.warn({ revision: commit.revision, problems: problems.length, first: shown[0] }, 'commit rejected');
  }

  #change(change: Partial<SourceView>): void {
    this.#view = { ...this.#view, ...change };
    for (const handler of this.#changeHandlers) handler(this.#view);
  }

  #now(): string {
    return this.#deps.clock.now().toISOString();
  }
}

/** Opens the source. @throws the error of the file system if the clone cannot be created */
export const openSource = async (options: SourceOptions, deps: SourceDeps): Promise<Source> => {
  const { url, ref, dataDir } = options;
  const http = createRepositoryHttp(options, deps.clock);
  const clone = await openClone({ gitdir: join(dataDir, 'git'), url, ref, http });
  return new Source(options, deps, { http, clone });
};
