import { join } from 'node:path';
import type { CommitView, ProblemView, SourceView } from '@fso/shared/api';
import { createDecoder, type PolicySet, type SourceProblem } from '@fso/shared/decode';
import { type Clock, createBackoff, type Logger, Wakeup } from '@fso/shared/runtime';
import { isCloneDamaged, openClone } from './clone.ts';
import { describeGitError } from './describe-error.ts';
import { createGitAuth } from './git-auth.ts';
import { createGitHttp } from './git-http.ts';
import { createRevisionReader } from './object-access.ts';
import { createPolicyDocuments } from './policy-documents.ts';
import { createRevisionJudge } from './revision-judge.ts';
import { createStateFile } from './state-file.ts';
import { DEFAULT_LIMITS, type RejectedRevision, type Source, type SourceOptions, type SourceRevision, type SourceTimes } from './types.ts';

export interface SourceDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Uniform in [0, 1); for jitter. */
  readonly random: () => number;
  readonly metrics?: { fetched(seconds: number): void; failed(): void };
}

const PROBLEMS_SHOWN = 100;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MIN_MS = 100;
/** However often it looks when all is well: what failed may have cost much, e.g. an answer that is too large. */
const BACKOFF_LONGEST_MS = 3_000;
const JITTER = 0.1;
const DEFAULT_MAX_PACKS = 64;
const DEFAULT_TIMEOUT_MS = 30_000;

type Examined = { readonly ok: true; readonly set: PolicySet } | { readonly ok: false; readonly problems: readonly ProblemView[] };

/** A problem of the whole commit has no place in it. */
const toView = ({ path, line, column, reason }: SourceProblem): ProblemView => (path === '.' ? { reason } : { path, line, column, reason });

/** URL for people: whatever may be a secret is left out. */
const redact = (url: string): string => {
  const parsed = new URL(url);
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
};

/** What is known of the repository now; replaced, never changed. */
const createView = (initial: SourceView, publish: (view: SourceView) => void) => {
  let view = initial;
  return {
    get: () => view,
    set: (change: Partial<SourceView>): void => {
      view = { ...view, ...change };
      publish(view);
    },
  };
};

/**
 * Step ①: follows a ref of a Git repository. A commit is taken whole or not at all: a bad one is shown as rejected and
 * the last good one stays. What Git cannot give now is tried again, with backoff, for ever.
 */
export const createSource = async (options: SourceOptions, deps: SourceDeps): Promise<Source> => {
  const { clock, logger, metrics } = deps;
  const { dataDir, ref, pollMs } = options;
  const { maxPacks = DEFAULT_MAX_PACKS } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const http = createGitHttp({
    maxBytes: limits.responseBytes,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    access: { origin: new URL(options.url).origin, auth: createGitAuth(options, clock) },
  });
  const url = redact(options.url);
  const identity = { url, ref };
  const clone = await openClone({ gitdir: join(dataDir, 'git'), url: options.url, ref, http });
  const objects = createRevisionReader(clone, limits.chain);
  const stateFile = createStateFile(dataDir, logger);
  const judge = createRevisionJudge(options.trust, objects, () => clock.now());
  const decode = createDecoder();
  const wakeup = new Wakeup();
  const revisionHandlers: ((revision: SourceRevision) => void)[] = [];
  const rejectedHandlers: ((rejected: RejectedRevision) => void)[] = [];
  const changeHandlers: ((view: SourceView) => void)[] = [];
  const { commitUrl } = options;
  const unread: SourceView = { url, ref, revision: null, rejected: null, error: null, lastFetch: null };
  const view = createView({ ...unread, ...(commitUrl === undefined ? {} : { commitUrl }) }, (next) => {
    for (const handler of changeHandlers) handler(next);
  });
  let head: string | null = null;
  const backoff = createBackoff({
    baseMs: BACKOFF_FIRST_MS,
    maxMs: Math.max(pollMs, BACKOFF_LONGEST_MS),
    random: deps.random,
    minMs: BACKOFF_MIN_MS,
  });
  let failing = false;

  const examine = async (id: string): Promise<Examined> => {
    const read = await objects.files(id);
    if (!read.ok) {
      const missing = read.missing.map((object) => ({ reason: `object ${object} is not in the repository` }));
      return { ok: false, problems: [...read.problems.map(({ message, ...place }) => ({ ...place, reason: message })), ...missing] };
    }
    const decoded = decode(read.files);
    return decoded.ok ? decoded : { ok: false, problems: decoded.problems.map(toView) };
  };

  const reject = (commit: CommitView, problems: readonly ProblemView[], times: SourceTimes): void => {
    const shown = problems.slice(0, PROBLEMS_SHOWN);
    for (const handler of rejectedHandlers) handler({ commit, problems: shown, times });
    view.set({ rejected: { commit, problems: shown } });
    logger.warn({ revision: commit.revision, problems: problems.length, first: shown[0] }, 'commit rejected');
  };

  /** Nothing of a commit that is not trusted is decoded. */
  const judgeAndExamine = async (id: string) => {
    const judged = await judge.judge(id);
    if (!judged.ok) return judged;
    const examined = await examine(id);
    return examined.ok ? { ...judged, set: examined.set } : examined;
  };

  const now = (): string => clock.now().toISOString();

  /** @param noticed when its fetch began; undefined: it was here already */
  const take = async (id: string, noticed?: string): Promise<void> => {
    const restored = noticed === undefined;
    const fetched = now();
    const commit = await clone.commit(id);
    const found = await judgeAndExamine(id);
    const times: SourceTimes = { noticed: noticed ?? fetched, fetched, judged: now() };
    if (!found.ok) {
      // What only time can mend is looked at again at each fetch.
      head = found.problems[0]?.code === 'commit-in-future' ? null : id;
      reject(commit, found.problems, times);
      return;
    }
    head = id;
    const { verification, trust, set } = found;
    judge.accept({ revision: id, verification, trust });
    for (const handler of revisionHandlers) handler({ commit, set, verification, times, restored });
    view.set({ revision: commit, verification, rejected: null });
    logger.info({ revision: id, policies: set.policies.length, verification, restored }, 'revision accepted');
    await stateFile.write({ ...identity, lastGood: id, verification, trust });
  };

  /** Only at start, before anything is read: lookups are quick again, and the folder is small. */
  const tidy = async (lastGood: string, signal: AbortSignal): Promise<void> => {
    if ((await clone.packs()) <= maxPacks) return;
    try {
      await clone.renew(lastGood, signal);
    } catch (error) {
      logger.info({ reason: describeGitError(error, ref) }, 'clone stays as it is');
    }
  };

  /** The clone is only a cache. Where it cannot be removed the next fetch says what is wrong, and is tried again. */
  const renewClone = (): Promise<void> => clone.reset().catch((err: unknown) => logger.error({ err }, 'damaged clone cannot be removed'));

  const restore = async (signal: AbortSignal): Promise<void> => {
    const state = await stateFile.read();
    if (state === null) return;
    if (state.url !== url || state.ref !== ref) {
      // Objects of another repository must not pass for the history of this one: where they cannot be removed, nothing is followed.
      await clone.reset();
      return;
    }
    try {
      const last = { revision: state.lastGood, verification: state.verification, trust: state.trust };
      // Also one that fails now keeps older ones from following it.
      judge.accept(last);
      await tidy(state.lastGood, signal);
      await take(state.lastGood);
      // The head is looked at again in any case: it may be newer, and bad.
      head = view.get().rejected === null ? head : null;
    } catch (error) {
      logger.warn({ err: error }, 'clone cannot be read and is made anew');
      await renewClone();
    }
  };

  const fail = async (error: unknown): Promise<void> => {
    failing = true;
    metrics?.failed();
    const message = describeGitError(error, ref);
    const known = view.get().error;
    if (known?.message !== message) logger.warn({ reason: message, err: error }, 'source unreachable');
    view.set({ error: { message, since: known?.since ?? now() } });
    // A crash while a pack was written, a full disk.
    if (isCloneDamaged(error)) await renewClone();
  };

  const sync = async (signal: AbortSignal): Promise<void> => {
    const started = clock.monotonicMs();
    const noticed = now();
    const id = await clone.fetch(signal);
    const seconds = (clock.monotonicMs() - started) / 1000;
    if (id === head) await stateFile.retry();
    else await take(id, noticed);
    const recovered = view.get().error !== null;
    failing = false;
    backoff.reset();
    view.set({ error: null, lastFetch: now() });
    metrics?.fetched(seconds);
    if (recovered) logger.info({ revision: id }, 'source reachable again');
  };

  const nextDelay = (): number => {
    if (failing) return backoff.next();
    return pollMs * (1 + JITTER * (2 * deps.random() - 1));
  };

  const syncOrFail = async (signal: AbortSignal): Promise<void> => {
    try {
      await sync(signal);
    } catch (error) {
      if (signal.aborted) return;
      await fail(error);
    }
  };

  return {
    objects,
    documents: createPolicyDocuments(objects.object, clock),
    hint: () => wakeup.wake(),
    onRevision: (handler) => void revisionHandlers.push(handler),
    onRejected: (handler) => void rejectedHandlers.push(handler),
    onChange: (handler) => void changeHandlers.push(handler),
    state: () => view.get(),
    run: async (signal) => {
      await restore(signal);
      while (!signal.aborted) {
        await syncOrFail(signal);
        await wakeup.waitAtMost(nextDelay(), clock, signal).catch(() => undefined);
      }
      await http.close();
    },
  };
};
