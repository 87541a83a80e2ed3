import { effectivePhase, isShortReport, type PolicyInCluster, type PolicyReport } from '@fso/shared/api';
import type { CompiledPolicy } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import { weakMemo2 } from '@fso/shared/runtime';
import { ClusterPolicies, type ClusterRecord, type Desired, type PolicyList } from '../../ledger/index.ts';
import { withSamples } from './cluster-entry.ts';
import { countPhase, isKnown, noPhases, type PhaseCounts } from './phases.ts';
import { type ClusterPolicyReport, createPolicyEntry, inSteps, type MutablePolicyEntry, type PolicyEntry } from './policy-entry.ts';
import { headsOf } from './policy-head.ts';

type Entries = readonly MutablePolicyEntry[];
/** Steps of an update, and the number of policies in each phase. */
type Steps = Generator<void, Readonly<PhaseCounts>>;
type Placed = ReadonlySet<MutablePolicyEntry>;

/** Changes of policies of the hub, of one cluster, whose times are kept; it bounds the memory. */
const TIMES_KEPT = 64;

/**
 * The contribution of one cluster. Rows are built from it on each read: stored, there would be one
 * for each policy in each cluster.
 */
interface Contribution {
  record: ClusterRecord;
  /** Policies that Git has for the cluster; one set for all clusters with the same ones. */
  readonly meant: Placed;
  /** Other policies that it reports. */
  readonly others: Placed;
  readonly phases: Readonly<PhaseCounts>;
  /**
   * Times of the changes of policies whose reports have no time, by key. `since` is the time of all
   * others. RFC 3339.
   */
  readonly changed: Map<string, string>;
  readonly since: string | null;
}

/** @param reported of the policy, as the record has it */
const rowOf = (
  { key }: MutablePolicyEntry,
  { record, changed, since }: Contribution,
  reported: PolicyReport | undefined = record.policies.get(key),
): PolicyInCluster => {
  const report = withSamples(record, key, reported);
  const time = report === null ? null : (report.lastUpdated ?? changed.get(key) ?? since);
  return { cluster: record.name, fresh: isKnown(record), report, changed: time };
};

type Having = Pick<Contribution, 'meant' | 'others'>;

const hasReported = (before: Contribution | undefined): before is Contribution => (before?.record.policies.size ?? 0) > 0;

const NONE: Placed = new Set();

/** Policies of a first report have changed at one time: none needs a time of its own. */
const contributionOf = (record: ClusterRecord, { meant, others }: Having, before: Contribution | undefined): Contribution => ({
  record,
  meant,
  others,
  phases: { ...(before?.phases ?? noPhases()) },
  ...(hasReported(before) ? { changed: before.changed, since: before.since } : { changed: new Map(), since: record.policiesChanged }),
});

const has = ({ meant, others }: Having, entry: MutablePolicyEntry): boolean => meant.has(entry) || others.has(entry);

const isAlike = (a: Contribution, b: Contribution): boolean =>
  a.meant === b.meant && a.others === b.others && a.record.policies === b.record.policies && isKnown(a.record) === isKnown(b.record);

/**
 * Names of a list that are not among the policies that a cluster should have; memoized for all
 * clusters with the same list.
 */
const besides = weakMemo2((list: PolicyList, meant: Placed): readonly string[] => {
  const names = new Set([...meant].map(({ key }) => key));
  return list.policies.flatMap(({ name }) => (names.has(name) ? [] : [name]));
});

/**
 * Keys of policies that a cluster reports, including each that it should not have. The cost is
 * proportional to the number of policies that it reports by name.
 */
const candidatesBesides = (policies: ClusterRecord['policies'], meant: Placed): readonly string[] =>
  policies instanceof ClusterPolicies
    ? [...besides(policies.list, meant).filter((name) => policies.has(name)), ...policies.named.keys()]
    : [...policies.keys()];

const isEqual = (a: Placed, b: Placed): boolean => a.size === b.size && [...a].every((entry) => b.has(entry));

/**
 * Every policy over its clusters. The contribution of a cluster is replaced and removed in steps;
 * between two of them some of its policies count as before.
 */
export class PolicyTable {
  readonly #entries = new Map<string, MutablePolicyEntry>();
  readonly #clusters = new Map<string, Contribution>();
  /**
   * Sets of the policies that clusters should have, by list; those by names are of this commit and
   * the one before.
   */
  #meant = new WeakMap<readonly CompiledPolicy[], Placed>();
  #named = new Map<string, Placed>();
  #namedBefore: ReadonlyMap<string, Placed> = new Map();
  /** Names of the clusters that report a policy which they should not have. */
  readonly #reporters = new Map<MutablePolicyEntry, Set<string>>();
  #sorted: readonly MutablePolicyEntry[] | undefined;

  /** Takes the content of policies from Git. */
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
   * Takes the policies that a cluster should have and those that it reports: local ones, and
   * hub-managed ones that are not gone yet.
   *
   * @param keys policies that read differently than at the last call for the cluster
   * @returns the number of them in each phase
   */
  *place(record: ClusterRecord, meant: readonly CompiledPolicy[], keys: readonly string[]): Steps {
    const before = this.#clusters.get(record.name);
    const meantNow = this.#setOf(meant);
    const isInPlace = before?.meant === meantNow && isKnown(before.record) === isKnown(record);
    const few = isInPlace ? this.#fewChanged(keys, before, record.policies) : undefined;
    const having: Having = few !== undefined && before !== undefined ? before : this.#havingOf(record, meantNow, before?.others);
    const now = contributionOf(record, having, before);
    // Rows are read from here on.
    this.#clusters.set(record.name, now);
    if (before !== undefined && isAlike(before, now)) return now.phases;
    this.#noteReporter(record.name, before?.others ?? NONE, now.others);
    yield* inSteps(few ?? [...now.meant, ...now.others], (entry) => this.#replace(entry, before, now));
    if (before !== undefined) yield* this.#takeBackGone(before, now);
    this.#boundTimes(now);
    return now.phases;
  }

  /** The policies that changed, where no others came or went; undefined: some may have. */
  #fewChanged(keys: readonly string[], { meant, others }: Having, policies: ClusterRecord['policies']): Entries | undefined {
    const entries = keys.map((key) => this.#entries.get(key));
    const isInPlace = (entry: MutablePolicyEntry | undefined): entry is MutablePolicyEntry =>
      entry !== undefined && (meant.has(entry) || (others.has(entry) && policies.has(entry.key)));
    return entries.every(isInPlace) ? entries : undefined;
  }

  /** Takes over the record of a cluster in which no policy reads differently. */
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
    yield* inSteps([...before.meant, ...before.others], (entry) => this.#takeBack(entry, before, noPhases()));
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
    // What was there when the hub began to look may have changed at any time until then.
    if (hasReported(before) && !isSame && report !== undefined && isShortReport(report))
      now.changed.set(entry.key, now.record.policiesChanged ?? '');
    const is = rowOf(entry, now, report);
    if (was !== undefined) countPhase(now.phases, effectivePhase(was), -1);
    countPhase(now.phases, effectivePhase(is));
    entry.change(was, is);
  }

  #takeBackGone(before: Contribution, now: Contribution): Generator<void, void> {
    const gone = [...(before.meant === now.meant ? [] : before.meant), ...before.others].filter((entry) => !has(now, entry));
    return inSteps(gone, (entry) => this.#takeBack(entry, before, now.phases));
  }

  #noteReporter(cluster: string, before: Placed, now: Placed): void {
    if (before === now) return;
    for (const entry of before) if (!now.has(entry)) this.#reporters.get(entry)?.delete(cluster);
    for (const entry of now) this.#reporters.set(entry, (this.#reporters.get(entry) ?? new Set()).add(cluster));
  }

  #takeBack(entry: MutablePolicyEntry, before: Contribution, phases: PhaseCounts): void {
    const was = rowOf(entry, before);
    countPhase(phases, effectivePhase(was), -1);
    entry.change(was, undefined);
    this.#dropIfEmpty(entry);
  }

  /**
   * Bounds the number of times: beyond the limit all policies count as changed at the time of the
   * last change, as after a start.
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

  /** Any cluster may have a policy that is in Git; the reporters of others are known. */
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
   * Returns the same set for all lists with the same names, of this commit and the one before, so
   * that a commit that only changes policies moves no cluster.
   */
  #setOf(meant: readonly CompiledPolicy[]): Placed {
    const known = this.#meant.get(meant);
    if (known !== undefined) return known;
    const names = meant.map(({ name }) => name).join(' ');
    const placed = this.#named.get(names) ?? this.#namedBefore.get(names) ?? new Set(meant.map(({ name }) => this.#entryOf(name)));
    this.#named.set(names, placed);
    this.#meant.set(meant, placed);
    return placed;
  }

  /**
   * Policies that a cluster should have, and others that it reports.
   *
   * @param before the others that it reported until now
   */
  #havingOf({ policies }: ClusterRecord, meant: Placed, before: Placed | undefined): Having {
    const others = new Set(
      candidatesBesides(policies, meant)
        .map((key) => this.#entryOf(key))
        .filter((entry) => !meant.has(entry)),
    );
    if (others.size === 0) return { meant, others: NONE };
    return { meant, others: before !== undefined && isEqual(before, others) ? before : others };
  }
}
