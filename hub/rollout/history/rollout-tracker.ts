import type { PolicySet } from '@fso/shared/decode';
import type { ClusterRecord } from '../../ledger/index.ts';
import type { RejectedRevision, SourceRevision } from '../../source/index.ts';
import { createRolloutRecord, RolloutEntry, type RolloutRecord } from './rollout-record.ts';

/** Step of the hub whose time is recorded. */
export type RecordedStep = 'released' | 'compiled';

/**
 * Commit that came into force, with the initial values of its rollout record: the policies before
 * it and the times of the first hub steps.
 */
export interface AcceptedCommit {
  readonly revision: SourceRevision;
  /** The policies in force before it. */
  readonly before: PolicySet | undefined;
  readonly steps: Record<RecordedStep, string | null>;
}

/** Receives the durations of enforcement in milliseconds, each once. */
export interface EnforcementTimes {
  /** Records the time from the fetch of a commit until every cluster that counts has proven it. */
  enforced(ms: number): void;
  /** Records the time from the offer of a commit to a cluster until that cluster has proven it. */
  proven(ms: number): void;
}

/** Most accepted commits that are followed at the same time. */
const MAX_OPEN = 4;

const isSameRollout = (one: RolloutRecord, other: RolloutRecord): boolean =>
  one.commit.revision === other.commit.revision && one.noticed === other.noticed;

const bySequence = (left: RolloutEntry, right: RolloutEntry): number => right.rollout.sequence - left.rollout.sequence;

/**
 * Merges recorded and unwritten rollouts. Another hub may have led in between and used the sequence
 * numbers of unwritten ones. Of these, those newer than all recorded ones get the next numbers, and
 * the others are dropped.
 */
const merge = (
  recorded: readonly RolloutRecord[],
  unwritten: readonly RolloutEntry[],
): { entries: RolloutEntry[]; kept: RolloutEntry[] } => {
  const known = new Map(recorded.map((rollout): [number, RolloutEntry] => [rollout.sequence, new RolloutEntry(rollout)]));
  let last = recorded[0]?.sequence ?? 0;
  const kept: RolloutEntry[] = [];
  for (const entry of [...unwritten].sort(bySequence).reverse()) {
    const other = known.get(entry.rollout.sequence);
    const isOurs = other === undefined || isSameRollout(other.rollout, entry.rollout);
    if (!isOurs && entry.rollout.noticed <= (recorded[0]?.noticed ?? '')) continue;
    if (!isOurs) entry.rollout.sequence = last + 1;
    last = Math.max(last, entry.rollout.sequence);
    known.set(entry.rollout.sequence, entry);
    kept.push(entry);
  }
  return { entries: [...known.values()].sort(bySequence), kept };
};

/**
 * Follows the newest commits. It does no I/O and reads no clock. Each method returns the entries to
 * be written.
 */
export class RolloutTracker {
  readonly #times: EnforcementTimes;
  /** Rollouts that may still change, newest first. */
  #open: RolloutEntry[] = [];
  #lastSequence = 0;
  /** The newest commit if it was refused. */
  #refused: RolloutEntry | undefined;

  constructor(times: EnforcementTimes) {
    this.#times = times;
  }

  /** Restores the state from records, newest first, and entries that this hub could not write. */
  restore(recorded: readonly RolloutRecord[], unwritten: readonly RolloutEntry[]): readonly RolloutEntry[] {
    const { entries, kept } = merge(recorded, unwritten);
    const [newest] = entries;
    this.#lastSequence = newest?.rollout.sequence ?? 0;
    this.#open = entries.filter(({ rollout }) => rollout.problems === null).slice(0, MAX_OPEN);
    this.#refused = newest !== undefined && newest.rollout.problems !== null ? newest : undefined;
    return kept;
  }

  /**
   * Begins a rollout of a commit that is in force from now on. One that is found again after a
   * restart, or that another hub follows, continues.
   */
  begin(accepted: AcceptedCommit): readonly RolloutEntry[] {
    const { commit, restored } = accepted.revision;
    const at = this.#open.findIndex(({ rollout }) => rollout.commit.revision === commit.revision);
    if (at === 0 || (at > 0 && restored)) return [];
    const superseded = this.#supersede();
    const entry = this.#start(accepted);
    this.#open = [entry, ...this.#open].slice(0, MAX_OPEN);
    this.#refused = undefined;
    return [...superseded, entry];
  }

  refuse({ commit, problems, times }: RejectedRevision): readonly RolloutEntry[] {
    // The source rejects it again after a restart, and at each fetch if only time can make it
    // valid.
    if (this.#refused?.rollout.commit.revision === commit.revision) return [];
    const hub = { fetched: times.fetched, judged: times.judged, released: null, compiled: null };
    this.#refused = this.#add({ commit, problems: [...problems], noticed: times.noticed, hub }, []);
    return [this.#refused];
  }

  /** @param time RFC 3339 */
  step(step: RecordedStep, revision: string, time: string): readonly RolloutEntry[] {
    const [current] = this.#open;
    if (current === undefined) return [];
    const { commit, watched, hub } = current.rollout;
    if (commit.revision !== revision || !watched || hub[step] !== null) return [];
    hub[step] = time;
    return [current];
  }

  /** @param now milliseconds since 1970 */
  note(record: ClusterRecord, now: number): readonly RolloutEntry[] {
    // A commit may come into force twice: reports are about the last time.
    return this.#open.filter((entry, at) => this.#isLastOf(entry, at) && this.#noteCluster(entry, record, now));
  }

  /** @param counting names of the clusters that enforcement waits for */
  judge(counting: readonly string[]): readonly RolloutEntry[] {
    const [current] = this.#open;
    if (current === undefined || current.rollout.enforced !== null) return [];
    const at = current.enforcedAt(counting);
    if (at === undefined) return [];
    current.rollout.enforced = new Date(current.noticedMs + at).toISOString();
    if (current.rollout.watched) this.#times.enforced(at);
    return [current];
  }

  /** The rollout of the commit in force. */
  get current(): RolloutEntry | undefined {
    return this.#open[0];
  }

  /** Whether the commit in force is not enforced yet. */
  isWaiting(): boolean {
    return this.current?.rollout.enforced === null;
  }

  #isLastOf({ rollout: { commit } }: RolloutEntry, at: number): boolean {
    return this.#open.findIndex(({ rollout }) => rollout.commit.revision === commit.revision) === at;
  }

  #noteCluster(entry: RolloutEntry, record: ClusterRecord, now: number): boolean {
    const before = entry.provenAfter(record.name);
    const isNews = entry.note(record, Math.max(0, now - entry.noticedMs));
    const after = entry.provenAfter(record.name);
    if (before === undefined && after !== undefined) this.#times.proven(after);
    return isNews;
  }

  #add(start: Omit<Parameters<typeof createRolloutRecord>[0], 'sequence'>, clusters: readonly string[]): RolloutEntry {
    this.#lastSequence += 1;
    return new RolloutEntry(createRolloutRecord({ ...start, sequence: this.#lastSequence }, clusters));
  }

  #supersede(): readonly RolloutEntry[] {
    const [current] = this.#open;
    if (current === undefined || current.rollout.enforced !== null) return [];
    current.rollout.superseded = true;
    return [current];
  }

  #start({ revision, before, steps }: AcceptedCommit): RolloutEntry {
    const { commit, verification, times, set, restored } = revision;
    const hub = restored
      ? { fetched: null, judged: null, released: null, compiled: null }
      : { fetched: times.fetched, judged: times.judged, ...steps };
    const clusters = set.clusters.map(({ document }) => document.metadata.name);
    const entry = this.#add({ commit, verification, noticed: times.noticed, watched: !restored, hub }, clusters);
    // Without the previous policies, only the very first commit is known to add all of its own.
    if (!restored && (before !== undefined || this.#open.length === 0)) entry.compare = { before, after: set };
    return entry;
  }
}
