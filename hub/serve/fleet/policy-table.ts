import type { PolicyInCluster } from '@fso/shared/api';
import type { CompiledPolicy } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import { type ClusterRecord, type Desired, keysBetween } from '../../ledger/index.ts';
import { countPhase, effectivePhase, noPhases, type PhaseCounts } from './phases.ts';
import { createPolicyEntry, type MutablePolicyEntry, type PolicyEntry } from './policy-entry.ts';
import { headsFromGit, type PolicyHead } from './policy-head.ts';

type Placed = ReadonlySet<MutablePolicyEntry>;

/** Every policy over its clusters. */
export interface PolicyTable {
  /** Takes what Git says of policies. */
  describe(desired: Desired | null): void;
  /**
   * Takes what a cluster is meant to have and what it reports: local policies, and hub-managed ones not yet gone.
   *
   * @returns how many of them are in which phase
   */
  place(record: ClusterRecord, meant: readonly CompiledPolicy[]): Readonly<PhaseCounts>;
  /** From now on a cluster contributes nothing. */
  remove(cluster: string): void;
  /** By key. */
  list(): readonly PolicyEntry[];
  get(key: string): PolicyEntry | undefined;
}

/** Changes of policies that conform, of one cluster, whose times are kept; it bounds the memory. */
const TIMES_KEPT = 64;

/** What one cluster contributes. Rows are made of it when they are read: kept, they would be one for each policy in each cluster. */
interface Contribution {
  readonly record: ClusterRecord;
  /** Policies that have a row of it; one set for all clusters with the same policies. */
  readonly placed: Placed;
  readonly phases: Readonly<PhaseCounts>;
  /** When the policies changed that conform, by key; of the others, `since`. RFC 3339. */
  readonly changed: Map<string, string>;
  readonly since: string | null;
}

const rowOf = ({ key }: MutablePolicyEntry, { record, changed, since }: Contribution): PolicyInCluster => {
  const report = record.policies.get(key) ?? null;
  const time = report === null ? null : (report.lastUpdated ?? changed.get(key) ?? since);
  return { cluster: record.name, fresh: record.connected, report, changed: time };
};

const firstOf = (record: ClusterRecord, placed: Placed): Contribution => ({
  record,
  placed,
  phases: noPhases(),
  changed: new Map(),
  since: record.policiesChanged,
});

const isAlike = (a: Contribution, b: Contribution): boolean =>
  a.placed === b.placed && a.record.policies === b.record.policies && a.record.connected === b.record.connected;

const isEqual = (a: Placed, b: Placed): boolean => a.size === b.size && [...a].every((entry) => b.has(entry));

class ClusterRows implements PolicyTable {
  readonly #entries = new Map<string, MutablePolicyEntry>();
  readonly #clusters = new Map<string, Contribution>();
  /** Of policies that are meant for clusters: sets by list, and by names, of this commit and of the one before. */
  #meant = new WeakMap<readonly CompiledPolicy[], Placed>();
  #named = new Map<string, Placed>();
  #namedBefore: ReadonlyMap<string, Placed> = new Map();
  /** Of maps that clusters share: which set goes with one, where a certain set is meant. */
  readonly #reported = new WeakMap<ClusterRecord['policies'], { readonly meant: Placed; readonly placed: Placed }>();
  #sorted: readonly MutablePolicyEntry[] | undefined;

  describe(desired: Desired | null): void {
    const heads = desired ? headsFromGit(desired.set) : new Map<string, PolicyHead>();
    this.#meant = new WeakMap();
    this.#namedBefore = this.#named;
    this.#named = new Map();
    for (const key of heads.keys()) this.#entryOf(key);
    for (const entry of this.#entries.values()) {
      entry.describe(heads.get(entry.key));
      this.#dropIfEmpty(entry);
    }
  }

  place(record: ClusterRecord, meant: readonly CompiledPolicy[]): Readonly<PhaseCounts> {
    const before = this.#clusters.get(record.name);
    const few = before === undefined ? undefined : this.#fewChanged(before, record, this.#setOf(meant));
    const placed = few === undefined || before === undefined ? this.#placedOf(record, this.#setOf(meant), before?.placed) : before.placed;
    const now = before === undefined ? firstOf(record, placed) : { ...before, record, placed, phases: { ...before.phases } };
    // Rows are read from here on.
    this.#clusters.set(record.name, now);
    if (before !== undefined && isAlike(before, now)) return now.phases;
    for (const entry of few ?? placed) this.#replace(entry, before, now);
    if (before !== undefined && before.placed !== placed) this.#takeBackOthers(before, now);
    this.#boundTimes(now);
    return now.phases;
  }

  /** The policies that changed, where these are all that did; undefined: what a cluster has may be other policies, or its connection changed. */
  #fewChanged(before: Contribution, { policies, connected }: ClusterRecord, meant: Placed): readonly MutablePolicyEntry[] | undefined {
    if (before.placed !== meant || before.record.connected !== connected) return undefined;
    const entries = keysBetween(before.record.policies, policies).map((key) => this.#entries.get(key));
    return entries.every((entry) => entry !== undefined && meant.has(entry)) ? (entries as MutablePolicyEntry[]) : undefined;
  }

  remove(cluster: string): void {
    const before = this.#clusters.get(cluster);
    if (before === undefined) return;
    this.#clusters.delete(cluster);
    for (const entry of before.placed) this.#takeBack(entry, before, noPhases());
  }

  list(): readonly PolicyEntry[] {
    this.#sorted ??= [...this.#entries.values()].sort((a, b) => byText(a.key, b.key));
    return this.#sorted.filter((entry) => entry.head() !== undefined);
  }

  get(key: string): PolicyEntry | undefined {
    const entry = this.#entries.get(key);
    return entry?.head() === undefined ? undefined : entry;
  }

  #replace(entry: MutablePolicyEntry, before: Contribution | undefined, now: Contribution): void {
    const had = before?.placed.has(entry) === true ? before : undefined;
    const isSame = had?.record.policies.get(entry.key) === now.record.policies.get(entry.key);
    if (had !== undefined && isSame && had.record.connected === now.record.connected) return;
    const was = had && rowOf(entry, had);
    if (had !== undefined && !isSame) now.changed.set(entry.key, now.record.policiesChanged ?? '');
    const is = rowOf(entry, now);
    if (was !== undefined) countPhase(now.phases, effectivePhase(was), -1);
    countPhase(now.phases, effectivePhase(is));
    entry.change(was, is);
  }

  #takeBackOthers(before: Contribution, { placed, phases }: Contribution): void {
    for (const entry of before.placed) if (!placed.has(entry)) this.#takeBack(entry, before, phases);
  }

  #takeBack(entry: MutablePolicyEntry, before: Contribution, phases: PhaseCounts): void {
    const was = rowOf(entry, before);
    countPhase(phases, effectivePhase(was), -1);
    entry.change(was, undefined);
    this.#dropIfEmpty(entry);
  }

  /** With too many times all count as changed when the last one did, as after a start. */
  #boundTimes(now: Contribution): void {
    if (now.changed.size <= TIMES_KEPT) return;
    now.changed.clear();
    this.#clusters.set(now.record.name, { ...now, since: now.record.policiesChanged });
    for (const entry of now.placed) entry.forgetTimes();
  }

  #entryOf(key: string): MutablePolicyEntry {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry: MutablePolicyEntry = createPolicyEntry(key, {
      get: (cluster) => this.#row(entry, cluster),
      all: () => this.#rowsOf(entry),
    });
    this.#entries.set(key, entry);
    this.#sorted = undefined;
    return entry;
  }

  #row(entry: MutablePolicyEntry, cluster: string): PolicyInCluster | undefined {
    const contribution = this.#clusters.get(cluster);
    return contribution?.placed.has(entry) === true ? rowOf(entry, contribution) : undefined;
  }

  #rowsOf(entry: MutablePolicyEntry): readonly PolicyInCluster[] {
    const rows: PolicyInCluster[] = [];
    for (const contribution of this.#clusters.values()) if (contribution.placed.has(entry)) rows.push(rowOf(entry, contribution));
    return rows;
  }

  #dropIfEmpty(entry: MutablePolicyEntry): void {
    if (entry.isInGit() || entry.tally.phases.total > 0) return;
    this.#entries.delete(entry.key);
    this.#sorted = undefined;
  }

  /** One set for all lists with the same names, of this commit and the one before: then a commit that only changes policies moves no cluster. */
  #setOf(meant: readonly CompiledPolicy[]): Placed {
    const known = this.#meant.get(meant);
    if (known !== undefined) return known;
    const names = meant.map(({ name }) => name).join(' ');
    const placed = this.#named.get(names) ?? this.#namedBefore.get(names) ?? new Set(meant.map(({ name }) => this.#entryOf(name)));
    this.#named.set(names, placed);
    this.#meant.set(meant, placed);
    return placed;
  }

  /** What is meant, and what is reported besides. @param before of the same cluster, until now */
  #placedOf({ policies }: ClusterRecord, meant: Placed, before: Placed | undefined): Placed {
    const known = this.#reported.get(policies);
    if (known?.meant === meant) return known.placed;
    const others = [...policies.keys()].map((key) => this.#entryOf(key)).filter((entry) => !meant.has(entry));
    const all = others.length === 0 ? meant : new Set([...meant, ...others]);
    const placed = before !== undefined && all !== meant && isEqual(before, all) ? before : all;
    // Another cluster may have the same map when these policies are gone from the table: only sets of what is meant stay right.
    if (placed === meant) this.#reported.set(policies, { meant, placed });
    return placed;
  }
}

/** An empty table. */
export const createPolicyTable = (): PolicyTable => new ClusterRows();
