import type { PolicyHistory, PolicyRevision, PolicySourceView } from '@fso/shared/api';
import { type GitCommit, GitObjectError, parseCommit } from '@fso/shared/git';
import { type Clock, createYielder, dropOldest, Mutex } from '@fso/shared/runtime';
import { commitView } from './commit-view.ts';
import { createPolicyFiles, type FindObject, type PolicyFiles } from './policy-files.ts';

/** Commit, file and name of a policy document. */
export interface PolicyPlace {
  /** Commit id. */
  readonly revision: string;
  readonly path: string;
  /** Name in the document's metadata. */
  readonly name: string;
}

const MAX_CHANGES = 50;
const MAX_COMMITS = 2_000;
const MAX_MS = 3_000;
/** Callers that wait while one history is computed. */
const MAX_WAITING = 8;
/** Maximum number of characters in the texts of one history. */
const MAX_CHARACTERS = 4 * 1024 * 1024;
const KEPT = 100;
/** Maximum number of characters in all texts that are kept. */
const KEPT_CHARACTERS = 32 * 1024 * 1024;
/** Time after which a long walk yields the thread, in milliseconds. */
const SLICE_MS = 15;

interface State {
  readonly path: string;
  readonly yaml: string;
}
/** State of a policy in a commit; null if it is not there. */
type PolicyState = State | null;

interface CommitEntry {
  readonly id: string;
  readonly commit: GitCommit;
}

const changeOf = (newer: CommitEntry, before: PolicyState, after: PolicyState): PolicyRevision | undefined => {
  const commit = commitView(newer.id, newer.commit);
  if (after === null) return before === null ? undefined : { commit, change: 'removed', path: before.path, yaml: null };
  if (before === null) return { commit, change: 'added', ...after };
  return before.yaml === after.yaml && before.path === after.path ? undefined : { commit, change: 'changed', ...after };
};

/** Walks back from a commit, and collects the changes of one policy. */
class HistoryWalk {
  readonly items: PolicyRevision[] = [];
  readonly #files: PolicyFiles;
  readonly #name: string;
  #characters = 0;
  /** Oldest commit at which the state of the policy is known. */
  #newer: CommitEntry;
  #state: PolicyState;

  constructor(files: PolicyFiles, name: string, start: { readonly newer: CommitEntry; readonly state: PolicyState }) {
    this.#files = files;
    this.#name = name;
    this.#newer = start.newer;
    this.cursor = start.newer;
    this.#state = start.state;
  }

  /** Number of commits that were compared. */
  looked = 0;
  end: 'complete' | 'limited' | undefined;
  /** Oldest commit that was compared. */
  cursor: CommitEntry;

  get isFull(): boolean {
    return this.looked >= MAX_COMMITS || this.items.length >= MAX_CHANGES || this.#characters > MAX_CHARACTERS;
  }

  get characters(): number {
    return this.#characters;
  }

  /** Compares with the next older commit. @param older undefined if there is none */
  async step(older: CommitEntry | undefined): Promise<void> {
    const before = await this.#before(older);
    // A commit that cannot be read is passed over: its changes count as those of the newer one.
    if (before === undefined) return;
    this.#note(before);
    this.#state = before;
    this.#newer = older ?? this.#newer;
  }

  #note(before: PolicyState): void {
    const change = changeOf(this.#newer, before, this.#state);
    if (change === undefined) return;
    this.items.push(change);
    this.#characters += change.yaml?.length ?? 0;
  }

  /** Finds the state in the older commit; undefined if a file there cannot be read. */
  async #before(older: CommitEntry | undefined): Promise<PolicyState | undefined> {
    const after = this.#state;
    const changed = await this.#files.changes(older?.commit.tree, this.#newer.commit.tree);
    if (after !== null && changed.every(({ path }) => path !== after.path)) return after;
    let isReadable = true;
    // The same file first, as most documents stay in theirs.
    for (const { path, before } of changed.toSorted(
      (left, right) => Number(right.path === after?.path) - Number(left.path === after?.path),
    )) {
      if (before === undefined) continue;
      const policies = await this.#files.policies(before, path, this.#name);
      const found = policies?.find(({ name }) => name === this.#name);
      if (found !== undefined) return { path, yaml: found.yaml };
      isReadable &&= policies !== undefined;
    }
    return isReadable ? null : undefined;
  }
}

/** Drops the oldest walks beyond the number that is kept. */
const dropOldWalks = (walks: Map<string, HistoryWalk>): void => {
  dropOldest(walks, KEPT);
  let characters = [...walks.values()].reduce((sum, walk) => sum + walk.characters, 0);
  for (const [key, walk] of walks) {
    if (characters <= KEPT_CHARACTERS) return;
    walks.delete(key);
    characters -= walk.characters;
  }
};

/** Creates a check whether a walk has time left, which also yields the thread at intervals. */
const createPace = (clock: Clock): (() => Promise<boolean>) => {
  const until = clock.monotonicMs() + MAX_MS;
  const yieldIfDue = createYielder(SLICE_MS);
  return async () => {
    await yieldIfDue();
    return clock.monotonicMs() < until;
  };
};

const keyOf = ({ revision, path, name }: PolicyPlace): string => `${revision} ${path} ${name}`;

type ParentOf = (commit: CommitEntry) => Promise<CommitEntry | undefined>;

/** Walks back as far as the time allows. */
const walkBack = async (walk: HistoryWalk, parentOf: ParentOf, hasTime: () => Promise<boolean>): Promise<void> => {
  while (await hasTime()) {
    if (walk.isFull) {
      walk.end = 'limited';
      return;
    }
    const older = await parentOf(walk.cursor);
    await walk.step(older);
    walk.looked += 1;
    if (older === undefined) {
      walk.end = 'complete';
      return;
    }
    walk.cursor = older;
  }
};

/** Walks back, and ends the walk at history that is malformed or not in the clone. */
const walkBackSafely = async (...[walk, ...how]: Parameters<typeof walkBack>): Promise<void> => {
  try {
    await walkBack(walk, ...how);
  } catch (error) {
    if (!(error instanceof GitObjectError)) throw error;
    walk.end = 'limited';
  }
};

/** Reads the text and the history of policies from the clone, and caches the results. */
export const createPolicyDocuments = (find: FindObject, clock: Clock) => {
  const files = createPolicyFiles(find);
  /** Walks that have ended, and those that the next call continues. */
  const walks = new Map<string, HistoryWalk>();
  const mutex = new Mutex(MAX_WAITING);
  /** @throws GitObjectError if the commit is not in the clone */
  const commitAt = async (id: string): Promise<CommitEntry> => {
    const object = await find(id);
    if (object?.type !== 'commit') throw new GitObjectError(`commit ${id} is not in the clone`);
    return { id, commit: parseCommit(object.data) };
  };

  const source = async ({ revision, path, name }: PolicyPlace): Promise<PolicySourceView | null> => {
    const { commit } = await commitAt(revision);
    const blob = await files.blobAt(commit.tree, path);
    const found = blob && (await files.policies(blob, path, name))?.find((policy) => policy.name === name);
    return found ? { path, line: found.line, revision, yaml: found.yaml } : null;
  };

  /** @throws GitObjectError if the parent is not in the clone */
  const parentOf = async ({ commit }: CommitEntry): Promise<CommitEntry | undefined> => {
    const [parent] = commit.parents;
    return parent === undefined ? undefined : await commitAt(parent);
  };

  const begin = async (place: PolicyPlace): Promise<HistoryWalk | null> => {
    const now = await source(place);
    if (now === null) return null;
    const newer = await commitAt(place.revision);
    return new HistoryWalk(files, place.name, { newer, state: { path: now.path, yaml: now.yaml } });
  };

  const history = async (place: PolicyPlace): Promise<PolicyHistory | null> => {
    const key = keyOf(place);
    const walk = walks.get(key) ?? (await begin(place));
    if (walk === null) return null;
    walks.set(key, walk);
    if (walk.end === undefined) await walkBackSafely(walk, parentOf, createPace(clock));
    dropOldWalks(walks);
    return { items: [...walk.items], complete: walk.end === 'complete' };
  };

  return {
    /**
     * Reads the text of a policy.
     *
     * @returns null if the file does not have the policy
     * @throws GitObjectError while the clone does not have the commit
     */
    source,
    /**
     * Lists the commits that changed a policy, along first parents: at most 50, of at most 2,000
     * commits. A call takes a few seconds at most, and the next one continues from there. One
     * history is computed at a time.
     *
     * @returns null if the file does not have the policy
     * @throws GitObjectError while the clone does not have the commit; BusyError if too many
     * callers wait already; the signal's reason
     */
    history: async (place: PolicyPlace, signal?: AbortSignal): Promise<PolicyHistory | null> => {
      const walk = walks.get(keyOf(place));
      if (walk?.end !== undefined) return { items: [...walk.items], complete: walk.end === 'complete' };
      return mutex.run(() => history(place), signal);
    },
  };
};

/** Reads one policy and its history from the clone, without a checkout. */
export type PolicyDocuments = ReturnType<typeof createPolicyDocuments>;
