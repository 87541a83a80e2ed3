import type { PolicyReport } from '@fso/shared/api';
import type { Policies } from '../policies/index.ts';

/** Policies of one cluster that came or read otherwise; undefined: they are gone. */
export type Changes = ReadonlyMap<string, PolicyReport | undefined>;

/** Bounds on the reports that the ledger keeps of one cluster. */
export interface ReportQuota {
  readonly policies: number;
  /** Those among them that were applied in the cluster itself. */
  readonly local: number;
  /** Largest JSON of the reports. */
  readonly bytes: number;
  /** Largest weight of the reports in memory; see {@link weigh}. */
  readonly weight: number;
}

/** Memory of a report beside its text, with its part of the read model: measured with short and with long ones. */
const REPORT_BYTES = 3 * 1024;
/** Memory of a label beside its text, and of an item of a list below: measured with short ones. */
const LABEL_BYTES = 100;
const ITEM_BYTES = 32;

/** Bytes of memory that reports take, without their labels and lists. @param bytes of their JSON */
export const weigh = (reports: number, bytes: number): number => bytes + reports * REPORT_BYTES;

const extraOf = ({ namespaceLabels = [], namespaces, effectiveRegions }: PolicyReport): number =>
  namespaceLabels.reduce((sum, { labels }) => sum + Object.keys(labels).length * LABEL_BYTES, 0) +
  (namespaces.length + effectiveRegions.length) * ITEM_BYTES;

interface ReportSize {
  readonly bytes: number;
  readonly weight: number;
}

const sizes = new WeakMap<PolicyReport, ReportSize>();

const sizeOf = (report: PolicyReport): ReportSize => {
  const known = sizes.get(report);
  if (known !== undefined) return known;
  const bytes = Buffer.byteLength(JSON.stringify(report)) + 1;
  const size = { bytes, weight: weigh(1, bytes) + extraOf(report) };
  sizes.set(report, size);
  return size;
};

/** Bytes of a report in the list of its cluster, as the database stores it. */
export const bytesOf = (report: PolicyReport): number => sizeOf(report).bytes;

/** Bytes of memory that a report takes. */
export const weightOfOne = (report: PolicyReport): number => sizeOf(report).weight;

/** Number of ranks, the gravest first: failed or violating before all others, and among those the policies of the hub first. */
const RANKS = 4;
const rankOf = ({ phase, violations, managedBy }: PolicyReport): number =>
  (phase === 'Failed' || violations > 0 ? 0 : 2) + (managedBy === 'hub' ? 0 : 1);
const isLocalRank = (rank: number): boolean => rank % 2 === 1;

/** Counts and bytes of a set of reports. */
class Tally {
  #bytes = 0;
  #weight = 0;
  readonly #ranks: number[] = Array(RANKS).fill(0);

  static of(reports: Iterable<PolicyReport>): Tally {
    const tally = new Tally();
    for (const report of reports) tally.add(report);
    return tally;
  }

  copy(): Tally {
    const copy = new Tally();
    copy.#bytes = this.#bytes;
    copy.#weight = this.#weight;
    copy.#ranks.splice(0, RANKS, ...this.#ranks);
    return copy;
  }

  get policies(): number {
    return this.#ranks.reduce((sum, count) => sum + count, 0);
  }

  get local(): number {
    return this.#ranks.reduce((sum, count, rank) => (isLocalRank(rank) ? sum + count : sum), 0);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get weight(): number {
    return this.#weight;
  }

  add(report: PolicyReport): void {
    this.#change(report, 1);
  }

  remove(report: PolicyReport): void {
    this.#change(report, -1);
  }

  #change(report: PolicyReport, by: 1 | -1): void {
    const rank = rankOf(report);
    const { bytes, weight } = sizeOf(report);
    this.#bytes += by * bytes;
    this.#weight += by * weight;
    this.#ranks[rank] = (this.#ranks[rank] ?? 0) + by;
  }

  /** Whether there is a report that is less grave. */
  hasBehind(rank: number): boolean {
    return this.#ranks.some((count, other) => count > 0 && other > rank);
  }

  fits({ policies, local, bytes, weight }: ReportQuota): boolean {
    return this.policies <= policies && this.local <= local && this.#bytes <= bytes && this.#weight <= weight;
  }
}

/** Tallies by set of policies, so that a change costs what changed. */
const tallies = new WeakMap<Policies, Tally>();

const tallyOf = (policies: Policies): Tally => {
  const known = tallies.get(policies) ?? Tally.of(policies.values());
  tallies.set(policies, known);
  return known;
};

const tallyWithout = (policies: Policies, keys: Iterable<string>): Tally => {
  const tally = tallyOf(policies).copy();
  for (const key of keys) {
    const report = policies.get(key);
    if (report !== undefined) tally.remove(report);
  }
  return tally;
};

interface Candidate {
  readonly key: string;
  readonly report: PolicyReport;
  readonly rank: number;
  /** The cluster's list has the policy already. */
  readonly isKept: boolean;
}

const candidateOf = (before: Policies, [key, report]: readonly [string, PolicyReport | undefined]): Candidate[] =>
  report === undefined ? [] : [{ key, report, rank: rankOf(report), isKept: before.has(key) }];

/** Orders candidates: graver ones first, kept ones before new ones, the rest as it came. */
const byGravity = (a: Candidate, b: Candidate): number => a.rank - b.rank || Number(b.isKept) - Number(a.isKept);

/** Whether a report that is kept becomes no larger: in a list that is too long by now it keeps its place. */
const isNoLarger = ({ report }: Candidate, was: PolicyReport | undefined): boolean =>
  was !== undefined && was.managedBy === report.managedBy && bytesOf(report) <= bytesOf(was);

/** Kept reports by rank, of which the last ones of the least grave rank leave first. */
class Places {
  readonly #ranks: Candidate[][] = Array.from({ length: RANKS }, () => []);
  readonly #quota: ReportQuota;
  readonly #tally: Tally;

  constructor(kept: Iterable<Candidate>, quota: ReportQuota, tally: Tally) {
    for (const candidate of kept) this.#ranks[candidate.rank]?.push(candidate);
    this.#quota = quota;
    this.#tally = tally;
  }

  /** @returns those that leave for a candidate; undefined: it has to stay out, and all of them stay */
  make(candidate: Candidate): readonly Candidate[] | undefined {
    const left: Candidate[] = [];
    this.#tally.add(candidate.report);
    while (!this.#tally.fits(this.#quota)) {
      const last = this.#takeLast(candidate);
      if (last === undefined) {
        this.#tally.remove(candidate.report);
        for (const back of left.toReversed()) this.#put(back);
        return undefined;
      }
      left.push(last);
    }
    return left;
  }

  #put(candidate: Candidate): void {
    this.#ranks[candidate.rank]?.push(candidate);
    this.#tally.add(candidate.report);
  }

  /** Takes the least grave candidate that makes room; where there are too many local policies, a local one. */
  #takeLast({ rank }: Candidate): Candidate | undefined {
    const isLocal = this.#tally.local > this.#quota.local;
    for (let from = RANKS - 1; from > rank; from -= 1) {
      const last = isLocal && !isLocalRank(from) ? undefined : this.#ranks[from]?.pop();
      if (last === undefined) continue;
      this.#tally.remove(last.report);
      return last;
    }
    return undefined;
  }
}

/** The changes that are kept, and the keys of policies that are given up for them. */
export interface KeptChanges {
  readonly changes: Changes;
  readonly notKept: ReadonlySet<string>;
}

const NOTHING: ReadonlySet<string> = new Set();

/** Adds what fits, the gravest first. @returns the others, the gravest first */
const addFitting = (before: Policies, came: readonly Candidate[], tally: Tally, quota: ReportQuota): readonly Candidate[] => {
  const isTooLong = !tallyOf(before).fits(quota);
  return came.toSorted(byGravity).filter((candidate) => {
    tally.add(candidate.report);
    if (tally.fits(quota) || (isTooLong && isNoLarger(candidate, before.get(candidate.key)))) return false;
    tally.remove(candidate.report);
    return true;
  });
};

function* keptAmong(before: Policies, changes: Changes, added: readonly Candidate[]): Generator<Candidate> {
  for (const entry of before) if (!changes.has(entry[0])) yield* candidateOf(before, entry);
  yield* added;
}

/**
 * Keeps a cluster's reports within its quota. What is kept stays as long as nothing graver comes; a change costs what changed, and all that is
 * kept only where a graver report takes the place of others.
 */
export const keepWithin = (before: Policies, changes: Changes, quota: ReportQuota): KeptChanges => {
  const tally = tallyWithout(before, changes.keys());
  const came = [...changes].flatMap((entry) => candidateOf(before, entry));
  const tooMuch = addFitting(before, came, tally, quota);
  const [gravest] = tooMuch;
  if (gravest === undefined) return { changes, notKept: NOTHING };
  const notKept = new Set(tooMuch.map(({ key }) => key));
  if (tally.hasBehind(gravest.rank)) {
    const added = came.filter(({ key }) => !notKept.has(key));
    const places = new Places(keptAmong(before, changes, added), quota, tally);
    for (const candidate of tooMuch) exchange(notKept, candidate, places.make(candidate));
  }
  return { changes: withoutKeys(before, changes, notKept), notKept };
};

/** @param left undefined: the candidate stays out */
const exchange = (notKept: Set<string>, candidate: Candidate, left: readonly Candidate[] | undefined): void => {
  if (left !== undefined) notKept.delete(candidate.key);
  for (const { key } of left ?? []) notKept.add(key);
};

const withoutKeys = (before: Policies, changes: Changes, keys: ReadonlySet<string>): Changes => {
  const kept = new Map(changes);
  for (const key of keys) {
    if (before.has(key)) kept.set(key, undefined);
    else kept.delete(key);
  }
  return kept;
};

/** Notes what a set of policies became by changes, so that it need not be counted. */
export const noteChanges = (before: Policies, changes: Changes, after: Policies): void => {
  if (tallies.has(after)) return;
  const tally = tallyWithout(before, changes.keys());
  for (const report of changes.values()) if (report !== undefined) tally.add(report);
  tallies.set(after, tally);
};

/** Bytes of memory that a set of reports takes. */
export const weightOf = (policies: Policies): number => tallyOf(policies).weight;

/** Part of a quota that has to be free before an agent is asked again for what was left out. */
const FREE = 8;

/**
 * Whether there is room for a good part of what was left out: for all of it, or for an eighth of the quota.
 *
 * @param missing policies that were left out, as far as they are counted; null: not counted
 */
export const hasRoom = (policies: Policies, quota: ReportQuota, missing: number | null): boolean => {
  const tally = tallyOf(policies);
  const wanted = missing ?? Number.POSITIVE_INFINITY;
  const fewest = Math.min(quota.local / FREE, wanted);
  const isFree = quota.local - tally.local >= fewest && quota.policies - tally.policies >= fewest;
  // Of what is missing only the number is known: it is taken to be as large as what is kept.
  const fits = (most: number, used: number): boolean => most - used >= Math.min(most / FREE, (used / Math.max(1, tally.policies)) * wanted);
  return isFree && fits(quota.bytes, tally.bytes) && fits(quota.weight, tally.weight);
};
