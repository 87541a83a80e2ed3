import { effectivePhase, isShortReport, type PolicyInCluster } from '@fso/shared/api';
import type { CompiledPolicy } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import { weakMemo2 } from '@fso/shared/runtime';
import { ClusterPolicies, type ClusterRecord, type Desired, type PolicyList } from '../../ledger/index.ts';
import {
  type Contribution,
  contributionOf,
  type EntrySet,
  has,
  hasReported,
  isAlike,
  type Members,
  NONE,
  rowOf,
  SharedChanges,
  TIMES_KEPT,
} from './contribution.ts';
import { countPhase, isKnown, noPhases, type PhaseCounts } from './phases.ts';
import { type ClusterPolicyReport, createPolicyEntry, inSteps, type MutablePolicyEntry, type PolicyEntry } from './policy-entry.ts';
import { headsOf } from './policy-head.ts';

type Entries = readonly MutablePolicyEntry[];
/** Steps of an update. Returns the number of policies in each phase. */
type Steps = Generator<void, Readonly<PhaseCounts>>;

/**
 * Returns the policies of a list that a cluster should not have. Memoized for all clusters with the
 * same list.
 */
const undesired = weakMemo2((list: PolicyList, meant: EntrySet): readonly string[] => {
  const names = new Set([...meant].map(({ key }) => key));
  return list.policies.flatMap(({ name }) => (names.has(name) ? [] : [name]));
});

/**
 * Returns the keys of reported policies, including all that the cluster should not have. The cost
 * is proportional to the number of policies that are reported by name.
 */
const reportedCandidates = (policies: ClusterRecord['policies'], meant: EntrySet): readonly string[] =>
  policies instanceof ClusterPolicies
    ? [...undesired(policies.list, meant).filter((name) => policies.has(name)), ...policies.named.keys()]
    : [...policies.keys()];

const isEqual = (a: EntrySet, b: EntrySet): boolean => a.size === b.size && [...a].every((entry) => b.has(entry));

/**
 * All policies over their clusters. The contribution of a cluster is replaced in steps; until
 * {@link PolicyTable.settle}, some of its policies are still counted as before.
 */
export class PolicyTable {
  readonly #entries = new Map<string, MutablePolicyEntry>();
  readonly #clusters = new Map<string, Contribution>();
  /**
   * Sets of the policies that clusters should have, by list. `#named`: by names, of this commit and
   * the one before.
   */
  #meant = new WeakMap<readonly CompiledPolicy[], EntrySet>();
  #named = new Map<string, EntrySet>();
  #namedBefore: ReadonlyMap<string, EntrySet> = new Map();
  /** Names of the clusters that report a policy which they should not have. */
  readonly #reporters = new Map<MutablePolicyEntry, Set<string>>();
  readonly #shared = new SharedChanges();
  #sorted: readonly MutablePolicyEntry[] | undefined;

  /** Updates the content of policies from Git. */
  describe(desired: Desired | null): void {
    const heads = headsOf(desired);
    this.#meant = new WeakMap();
    this.#namedBefore = this.#named;
    this.#named = new Map();
    for (const key of heads.keys()) this.#entryOf(key);
    for (const entry of this.#entries.values()) {
      entry.describe(heads.get(entry.key));
      this.#dropIfEmpty(entry);
    }
  }

  /**
   * Replaces the contribution of a cluster: the policies that it should have, and others that it
   * reports: local ones, and policies of the hub about to be removed.
   *
   * @param keys policies whose reports changed since the last call for the cluster
   * @returns the number of its policies in each phase
   */
  *place(record: ClusterRecord, meant: readonly CompiledPolicy[], keys: readonly string[]): Steps {
    const before = this.#clusters.get(record.name);
    const meantNow = this.#setOf(meant);
    const isInPlace = before?.meant === meantNow && isKnown(before.record) === isKnown(record);
    const few = isInPlace ? this.#fewChanged(keys, before, record.policies) : undefined;
    const members: Members = few !== undefined && before !== undefined ? before : this.#membersOf(record, meantNow, before?.others);
    const now = contributionOf(record, members, before);
    // From here on readers get the new rows.
    this.#clusters.set(record.name, now);
    if (before !== undefined && isAlike(before, now)) return now.phases;
    const shared = few === undefined ? this.#shared.take(before, now, keys) : undefined;
    if (shared === undefined) return yield* this.#recount(before, now, few);
    this.#clusters.set(record.name, shared);
    return shared.phases;
  }

  /** Counts a changed contribution. @param few changed policies if the others are the same */
  *#recount(before: Contribution | undefined, now: Contribution, few: Entries | undefined): Steps {
    this.#noteReporter(now.record.name, before?.others ?? NONE, now.others);
    yield* inSteps(few ?? [...now.meant, ...now.others], (entry) => this.#replace(entry, before, now));
    if (before !== undefined) yield* this.#dropGone(before, now);
    this.#boundTimes(now);
    return now.phases;
  }

  /**
   * Returns the changed policies if they are few and none was added or removed; undefined: some may
   * have been.
   */
  #fewChanged(keys: readonly string[], before: Contribution, policies: ClusterRecord['policies']): Entries | undefined {
    if (!hasReported(before) || keys.length > TIMES_KEPT) return undefined;
    const { meant, others } = before;
    const entries = keys.map((key) => this.#entries.get(key));
    const isInPlace = (entry: MutablePolicyEntry | undefined): entry is MutablePolicyEntry =>
      entry !== undefined && (meant.has(entry) || (others.has(entry) && policies.has(entry.key)));
    return entries.every(isInPlace) ? entries : undefined;
  }

  /** Counts the changes that clusters share, in steps. Ends each update. */
  *settle(): Generator<void, void> {
    for (const { contribution, clusters, latest } of this.#shared.takeAll())
      yield* inSteps(contribution.meant, (entry) => {
        entry.count({ ...rowOf(entry, contribution), changed: latest }, clusters);
        this.#dropIfEmpty(entry);
      });
  }

  /** Replaces the record of a cluster without changed policies. */
  renew(record: ClusterRecord): void {
    const contribution = this.#clusters.get(record.name);
    if (contribution !== undefined) contribution.record = record;
  }

  /** Removes the contribution of a cluster. */
  *remove(cluster: string): Generator<void, void> {
    const before = this.#clusters.get(cluster);
    if (before === undefined) return;
    this.#clusters.delete(cluster);
    this.#noteReporter(cluster, before.others, NONE);
    yield* inSteps([...before.meant, ...before.others], (entry) => this.#dropRow(entry, before, noPhases()));
  }

  /** Policies sorted by key. */
  list(): readonly PolicyEntry[] {
    this.#sorted ??= [...this.#entries.values()].sort((a, b) => byText(a.key, b.key));
    return this.#sorted.filter((entry) => entry.head() !== undefined);
  }

  get(key: string): PolicyEntry | undefined {
    const entry = this.#entries.get(key);
    return entry?.head() === undefined ? undefined : entry;
  }

  #replace(entry: MutablePolicyEntry, before: Contribution | undefined, now: Contribution): void {
    const had = before !== undefined && has(before, entry) ? before : undefined;
    const report = now.record.policies.get(entry.key);
    const reported = had?.record.policies === now.record.policies ? report : had?.record.policies.get(entry.key);
    const isSame = reported === report;
    if (had !== undefined && isSame && isKnown(had.record) === isKnown(now.record)) return;
    const was = had && rowOf(entry, had, reported);
    // The time of changes before the hub's first look at the cluster is unknown.
    if (hasReported(before) && !isSame && report !== undefined && isShortReport(report))
      now.changed.set(entry.key, now.record.policiesChanged ?? '');
    const is = rowOf(entry, now, report);
    if (was !== undefined) countPhase(now.phases, effectivePhase(was), -1);
    countPhase(now.phases, effectivePhase(is));
    entry.change(was, is);
  }

  #dropGone(before: Contribution, now: Contribution): Generator<void, void> {
    const gone = [...(before.meant === now.meant ? [] : before.meant), ...before.others].filter((entry) => !has(now, entry));
    return inSteps(gone, (entry) => this.#dropRow(entry, before, now.phases));
  }

  #noteReporter(cluster: string, before: EntrySet, now: EntrySet): void {
    if (before === now) return;
    for (const entry of before) if (!now.has(entry)) this.#reporters.get(entry)?.delete(cluster);
    for (const entry of now) this.#reporters.set(entry, (this.#reporters.get(entry) ?? new Set()).add(cluster));
  }

  #dropRow(entry: MutablePolicyEntry, before: Contribution, phases: PhaseCounts): void {
    const was = rowOf(entry, before);
    countPhase(phases, effectivePhase(was), -1);
    entry.change(was, undefined);
    this.#dropIfEmpty(entry);
  }

  /**
   * Bounds the number of times. Beyond the limit all policies get the time of the last change, as
   * after a restart.
   */
  #boundTimes(now: Contribution): void {
    if (now.changed.size <= TIMES_KEPT) return;
    now.changed.clear();
    const since = now.record.policiesChanged;
    this.#clusters.set(now.record.name, { ...now, since });
    for (const entry of [...now.meant, ...now.others]) {
      const report = now.record.policies.get(entry.key);
      if (since !== null && report !== undefined && isShortReport(report)) entry.raiseTime(since);
    }
  }

  #entryOf(key: string): MutablePolicyEntry {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry: MutablePolicyEntry = createPolicyEntry(key, {
      get: (cluster) => this.#row(entry, cluster),
      all: () => this.#rowsOf(entry),
      first: () => this.#firstOf(entry),
    });
    this.#entries.set(key, entry);
    this.#sorted = undefined;
    return entry;
  }

  #row(entry: MutablePolicyEntry, cluster: string): PolicyInCluster | undefined {
    const contribution = this.#clusters.get(cluster);
    return contribution !== undefined && has(contribution, entry) ? rowOf(entry, contribution) : undefined;
  }

  /** Names of clusters that may have a policy. If it is in Git, any cluster may. */
  #namesOf(entry: MutablePolicyEntry): Iterable<string> {
    return entry.isInGit() ? this.#clusters.keys() : (this.#reporters.get(entry) ?? []);
  }

  #rowsOf(entry: MutablePolicyEntry): readonly PolicyInCluster[] {
    return [...this.#namesOf(entry)].flatMap((name) => this.#row(entry, name) ?? []);
  }

  #firstOf(entry: MutablePolicyEntry): ClusterPolicyReport | undefined {
    let first: ClusterRecord | undefined;
    for (const name of this.#namesOf(entry)) {
      const record = this.#clusters.get(name)?.record;
      if ((first === undefined || name < first.name) && record?.policies.has(entry.key)) first = record;
    }
    const report = first?.policies.get(entry.key);
    return first && report && { cluster: first.name, report };
  }

  #dropIfEmpty(entry: MutablePolicyEntry): void {
    if (entry.isInGit() || entry.tally.phases.total > 0) return;
    this.#entries.delete(entry.key);
    this.#reporters.delete(entry);
    this.#sorted = undefined;
  }

  /**
   * Returns the same set for all lists with the same names, of this commit and the one before. A
   * commit that only changes policies then moves no cluster.
   */
  #setOf(meant: readonly CompiledPolicy[]): EntrySet {
    const known = this.#meant.get(meant);
    if (known !== undefined) return known;
    const names = meant.map(({ name }) => name).join(' ');
    const placed = this.#named.get(names) ?? this.#namedBefore.get(names) ?? new Set(meant.map(({ name }) => this.#entryOf(name)));
    this.#named.set(names, placed);
    this.#meant.set(meant, placed);
    return placed;
  }

  /**
   * Determines the policies that a cluster should have, and others that it reports.
   *
   * @param before other policies that it reported before
   */
  #membersOf({ policies }: ClusterRecord, meant: EntrySet, before: EntrySet | undefined): Members {
    const others = new Set(
      reportedCandidates(policies, meant)
        .map((key) => this.#entryOf(key))
        .filter((entry) => !meant.has(entry)),
    );
    if (others.size === 0) return { meant, others: NONE };
    return { meant, others: before !== undefined && isEqual(before, others) ? before : others };
  }
}
