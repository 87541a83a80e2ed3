import { effectivePhase, type PolicyInCluster, type PolicyReport } from '@fso/shared/api';
import { weakMemo } from '@fso/shared/runtime';
import { ClusterPolicies, type ClusterRecord } from '../../ledger/index.ts';
import { withSamples } from './cluster-entry.ts';
import { countPhase, isKnown, noPhases, type PhaseCounts } from './phases.ts';
import { isLater, type MutablePolicyEntry } from './policy-entry.ts';

/** Policies of the index. */
export type EntrySet = ReadonlySet<MutablePolicyEntry>;

/** Maximum number of kept times per cluster, for changes of the hub's policies. */
export const TIMES_KEPT = 64;

/**
 * Contribution of one cluster to its policies. Rows are built from it on each read. Storing them
 * would take memory for each policy in each cluster.
 */
export interface Contribution {
  record: ClusterRecord;
  /** Policies that Git has for the cluster. Clusters with the same policies share a set. */
  readonly meant: EntrySet;
  /** Other policies that the cluster reports. */
  readonly others: EntrySet;
  readonly phases: Readonly<PhaseCounts>;
  /**
   * Times of change, RFC 3339, of policies whose reports have no time, by key. `since` is the time
   * of all others.
   */
  readonly changed: Map<string, string>;
  readonly since: string | null;
}

/** Builds the row of a policy in a cluster. @param reported report of the policy in the record */
export const rowOf = (
  { key }: MutablePolicyEntry,
  { record, changed, since }: Contribution,
  reported: PolicyReport | undefined = record.policies.get(key),
): PolicyInCluster => {
  const report = withSamples(record, key, reported);
  const time = report === null ? null : (report.lastUpdated ?? changed.get(key) ?? since);
  return { cluster: record.name, fresh: isKnown(record), report, changed: time };
};

/** Policies of a cluster. */
export type Members = Pick<Contribution, 'meant' | 'others'>;

/** Whether a cluster has reported any policy. */
export const hasReported = (before: Contribution | undefined): before is Contribution => (before?.record.policies.size ?? 0) > 0;

/** Set without policies. */
export const NONE: EntrySet = new Set();

/** Creates a contribution. All policies of a first report have the same time of change. */
export const contributionOf = (record: ClusterRecord, { meant, others }: Members, before: Contribution | undefined): Contribution => ({
  record,
  meant,
  others,
  phases: { ...(before?.phases ?? noPhases()) },
  ...(hasReported(before) ? { changed: before.changed, since: before.since } : { changed: new Map(), since: record.policiesChanged }),
});

/** Whether a cluster has a policy. */
export const has = ({ meant, others }: Members, entry: MutablePolicyEntry): boolean => meant.has(entry) || others.has(entry);

/** Whether two contributions of a cluster are equal. */
export const isAlike = (a: Contribution, b: Contribution): boolean =>
  a.meant === b.meant && a.others === b.others && a.record.policies === b.record.policies && isKnown(a.record) === isKnown(b.record);

/** Latest time of the rows of a cluster. */
const latestOf = ({ record, changed, since }: Contribution): string | null =>
  record.policies.size === 0 ? null : [...changed.values()].reduce((a, b) => (a !== null && isLater(a, b) ? a : b), since);

/**
 * Determines which policies of a cluster have a new time: all by a first report, or if more changed
 * than times are kept; none if the reports are the same.
 */
const extentOf = (before: Contribution | undefined, now: Contribution, keys: readonly string[]): 'all' | 'some' | 'none' => {
  if (!hasReported(before)) return 'all';
  if (before.meant === now.meant && keys.length === 0) return 'none';
  return keys.filter((key) => now.record.policies.has(key)).length > TIMES_KEPT ? 'all' : 'some';
};

/** Change of the policies of several clusters that have the same state. */
interface SharedChange {
  /** Contribution of one of the clusters. */
  readonly contribution: Contribution;
  /** Number of clusters; negative: they leave the state. */
  clusters: number;
  /** Latest time of their rows, RFC 3339. */
  latest: string | null;
}

/** Counts the policies of a cluster in each phase. */
const phasesOf = (contribution: Contribution): Readonly<PhaseCounts> => {
  const phases = noPhases();
  for (const entry of contribution.meant) countPhase(phases, effectivePhase(rowOf(entry, contribution)));
  return phases;
};

/**
 * Changes of whole clusters, such as first reports or new connections, until they are counted. Most
 * clusters of a fleet are in the same state, so all of them are counted at the cost of one.
 */
export class SharedChanges {
  readonly #added = new Map<string, SharedChange>();
  readonly #removed = new Map<string, SharedChange>();
  #lastId = 0;
  readonly #idOf = weakMemo((_of: object) => {
    this.#lastId += 1;
    return this.#lastId;
  });

  /**
   * Takes a change of a cluster if others can share both its old and its new state.
   *
   * @param keys policies whose reports differ
   * @returns the new contribution; undefined: not taken
   */
  take(before: Contribution | undefined, now: Contribution, keys: readonly string[]): Contribution | undefined {
    const extent = extentOf(before, now, keys);
    const [had, has] = [before && this.#keyOf(before), this.#keyOf(now)];
    if (extent === 'some' || has === undefined || (before !== undefined && had === undefined)) return undefined;
    const taken = extent === 'none' ? now : { ...now, changed: new Map<string, string>(), since: now.record.policiesChanged };
    const timeOf = (of: Contribution): string | null => (extent === 'none' ? null : latestOf(of));
    const contribution = { ...taken, phases: this.#added.get(has)?.contribution.phases ?? phasesOf(taken) };
    this.#note(this.#added, has, contribution, timeOf(taken));
    if (before !== undefined && had !== undefined) this.#note(this.#removed, had, before, timeOf(before));
    return contribution;
  }

  /** Returns the changes taken since the last call, additions first. */
  takeAll(): readonly SharedChange[] {
    const removed = [...this.#removed.values()].map((change) => ({ ...change, clusters: -change.clusters }));
    const all = [...this.#added.values(), ...removed];
    this.#added.clear();
    this.#removed.clear();
    return all;
  }

  #note(changes: Map<string, SharedChange>, key: string, contribution: Contribution, time: string | null): void {
    const change = changes.get(key) ?? { contribution, clusters: 0, latest: null };
    changes.set(key, change);
    change.clusters += 1;
    if (time !== null && (change.latest === null || isLater(time, change.latest))) change.latest = time;
  }

  /** Key of the state of a cluster; undefined if others cannot have the same. */
  #keyOf({ record, meant, others }: Contribution): string | undefined {
    const { policies } = record;
    const expected = `${this.#idOf(meant)} ${isKnown(record)}`;
    if (policies.size === 0) return expected;
    if (others.size > 0 || !(policies instanceof ClusterPolicies)) return undefined;
    const { list, seen, commonKey } = policies;
    return commonKey && `${expected} ${this.#idOf(list)} ${seen && this.#idOf(seen)} ${commonKey}`;
  }
}
