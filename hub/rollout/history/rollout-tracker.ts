import type { PolicySet } from '@fso/shared/decode';
import type { ClusterRecord } from '../../ledger/index.ts';
import type { RejectedRevision, SourceRevision } from '../../source/index.ts';
import { enforcedAt, newVisit, noteCluster, type StoredVisit } from './rollout-record.ts';

export type HubStep = 'released' | 'compiled';

export interface Taken {
  readonly revision: SourceRevision;
  /** What was in force before it. */
  readonly before: PolicySet | undefined;
  readonly steps: Record<HubStep, string | null>;
}

/** A visit that may still change, and what is to be done for it besides writing it. */
export interface Entry {
  visit: StoredVisit;
  /** Policies that are not compared yet. */
  compare?: { readonly before: PolicySet | undefined; readonly after: PolicySet } | undefined;
  /** The audit log does not have its changes yet. */
  isUnaudited?: boolean;
}

/** What is known of the newest commits. It does no I/O and reads no clock; each change returns the entries that are to be written. */
export interface Follower {
  /** Begins with what is recorded, newest first, and with what this hub knows and could not write. @returns what is to be written */
  restore(recorded: readonly StoredVisit[], unwritten: readonly Entry[]): readonly Entry[];
  /** A commit that is in force from now on. One that is found again after a restart, or that another hub has begun to follow, goes on. */
  begin(taken: Taken): readonly Entry[];
  refuse(rejected: RejectedRevision): readonly Entry[];
  /** @param time RFC 3339 */
  step(step: HubStep, revision: string, time: string): readonly Entry[];
  /** @param now ms since 1970 */
  note(record: ClusterRecord, now: number): readonly Entry[];
  /** @param counting names of the clusters that enforcement waits for */
  judge(counting: readonly string[]): readonly Entry[];
  /** Whether the commit in force is not enforced yet. */
  isWaiting(): boolean;
}

/** Accepted commits that clusters may still be on their way to. */
const OPEN = 4;

const isSameVisit = (one: StoredVisit, other: StoredVisit): boolean =>
  one.commit.revision === other.commit.revision && one.noticed === other.noticed;

const bySequence = (left: Entry, right: Entry): number => right.visit.sequence - left.visit.sequence;

/** Another hub may have led in between and used the numbers of what this one could not write: what is newer than all of it comes after it. */
const merge = (recorded: readonly StoredVisit[], unwritten: readonly Entry[]): { entries: Entry[]; kept: Entry[] } => {
  const known = new Map(recorded.map((visit): [number, Entry] => [visit.sequence, { visit: structuredClone(visit) }]));
  let last = recorded[0]?.sequence ?? 0;
  const kept: Entry[] = [];
  for (const entry of [...unwritten].sort(bySequence).reverse()) {
    const other = known.get(entry.visit.sequence);
    const isOurs = other === undefined || isSameVisit(other.visit, entry.visit);
    if (!isOurs && entry.visit.noticed <= (recorded[0]?.noticed ?? '')) continue;
    if (!isOurs) entry.visit.sequence = last + 1;
    last = Math.max(last, entry.visit.sequence);
    known.set(entry.visit.sequence, entry);
    kept.push(entry);
  }
  return { entries: [...known.values()].sort(bySequence), kept };
};

export const createFollower = (): Follower => {
  /** Newest first. */
  let open: Entry[] = [];
  let lastSequence = 0;
  /** The newest commit, if it is a refused one. */
  let refused: Entry | undefined;

  const add = (start: Omit<Parameters<typeof newVisit>[0], 'sequence'>, clusters: readonly string[]): Entry => {
    lastSequence += 1;
    return { visit: newVisit({ ...start, sequence: lastSequence }, clusters) };
  };
  const supersede = (): readonly Entry[] => {
    const [current] = open;
    if (current === undefined || current.visit.enforced !== null) return [];
    current.visit.superseded = true;
    return [current];
  };
  const start = ({ revision, before, steps }: Taken): Entry => {
    const { commit, verification, times, set, restored } = revision;
    const hub = restored
      ? { fetched: null, judged: null, released: null, compiled: null }
      : { fetched: times.fetched, judged: times.judged, ...steps };
    const clusters = set.clusters.map(({ document }) => document.metadata.name);
    const entry = add({ commit, verification, noticed: times.noticed, watched: !restored, hub }, clusters);
    // Without the set before, only the first commit of all is known to bring everything.
    if (!restored && (before !== undefined || open.length === 0)) entry.compare = { before, after: set };
    return entry;
  };

  return {
    restore: (recorded, unwritten) => {
      const { entries, kept } = merge(recorded, unwritten);
      const [newest] = entries;
      lastSequence = newest?.visit.sequence ?? 0;
      open = entries.filter(({ visit }) => visit.problems === null).slice(0, OPEN);
      refused = newest !== undefined && newest.visit.problems !== null ? newest : undefined;
      return kept;
    },
    begin: (taken) => {
      const { commit, restored } = taken.revision;
      const at = open.findIndex(({ visit }) => visit.commit.revision === commit.revision);
      if (at === 0 || (at > 0 && restored)) return [];
      const superseded = supersede();
      const entry = start(taken);
      open = [entry, ...open].slice(0, OPEN);
      refused = undefined;
      return [...superseded, entry];
    },
    refuse: ({ commit, problems, times }) => {
      // It is looked at again after a restart, and each time where only time can mend it.
      if (refused?.visit.commit.revision === commit.revision) return [];
      const hub = { fetched: times.fetched, judged: times.judged, released: null, compiled: null };
      refused = add({ commit, problems: [...problems], noticed: times.noticed, hub }, []);
      return [refused];
    },
    step: (step, revision, time) => {
      const [current] = open;
      if (current === undefined) return [];
      const { commit, watched, hub } = current.visit;
      if (commit.revision !== revision || !watched || hub[step] !== null) return [];
      hub[step] = time;
      return [current];
    },
    note: (record, now) => {
      const seen = new Set<string>();
      return open.filter(({ visit }) => {
        // What a cluster says of a commit is about the last time that it was in force.
        if (seen.has(visit.commit.revision)) return false;
        seen.add(visit.commit.revision);
        return noteCluster(visit, record, Math.max(0, now - Date.parse(visit.noticed)));
      });
    },
    judge: (counting) => {
      const [current] = open;
      if (current === undefined || current.visit.enforced !== null) return [];
      const at = enforcedAt(current.visit, counting);
      if (at === undefined) return [];
      current.visit.enforced = new Date(Date.parse(current.visit.noticed) + at).toISOString();
      return [current];
    },
    isWaiting: () => open[0]?.visit.enforced === null,
  };
};
