import { getHeapStatistics } from 'node:v8';
import { isShortReport, type PolicyReport } from '@fso/shared/api';
import { fairShare } from '../fair-share.ts';
import { keysBetween } from '../interning.ts';
import type { ClusterRecord, Desired } from '../types.ts';
import { type ReportQuota, weightOf, weightOfOne } from './report-quota.ts';

/** Bounds of what the hub keeps of the reports of clusters. */
export interface ReportLimits {
  /** Policies that one cluster may have beyond those of its commit, and of those that were applied in it. */
  readonly local: number;
  /** Largest JSON of the reports of one cluster. */
  readonly clusterBytes: number;
  /** Most memory for the reports of all clusters and for what each says of itself; a report that many clusters make alike counts once. */
  readonly memoryBytes: number;
}

/** Share of the heap that all reports together may take. */
const SHARE = 0.5;

/** @param heapBytes what the heap of this process may have; default: as V8 says */
export const reportLimits = (heapBytes: number = getHeapStatistics().heap_size_limit): ReportLimits => ({
  local: 2_000,
  clusterBytes: 16 * 1024 * 1024,
  memoryBytes: Math.floor(heapBytes * SHARE),
});

/** Most policies of a commit. It stands for those of a cluster while the repository has not been read. */
const MOST_POLICIES = 20_000;

/** Share of the limit to which clusters are trimmed, so that the next report does not exceed it again. */
const TRIMMED_TO = 0.9;
/** Below this part of the limit clusters may grow again. */
const RELAXED = 0.75;

/** A report that clusters may have alike. */
interface SharedReport {
  holders: number;
  /** Sum of the ids of its holders: where there is one, its id. */
  ids: number;
}

/** The reports that are held of one cluster. */
interface Holder {
  readonly id: number;
  readonly name: string;
  /** Bytes of the reports on policies that no other cluster has. */
  policies: number;
  /** Bytes of what it says of itself. */
  facts: number;
  /** Not all of its policies are kept: it takes what others leave. */
  wantsMore: boolean;
}

const ownOf = ({ policies, facts }: Holder): number => policies + facts;

/** Bytes of memory that an entry of a record takes beside its text. */
const ENTRY_BYTES = 100;

/** Bytes of memory that a cluster's report on itself and its refusal of a commit take. */
const factsOf = ({ report, nack }: ClusterRecord): number => {
  const textOf = (value: object | null): number => (value === null ? 0 : Buffer.byteLength(JSON.stringify(value)));
  return textOf(report) + textOf(nack) + Object.keys(report?.nodesByRegion ?? {}).length * ENTRY_BYTES;
};

/** How much memory the reports take, all together and those of each cluster. */
export class ReportMemory {
  readonly #limits: ReportLimits;
  readonly #holders = new Map<string, Holder>();
  readonly #byId = new Map<number, Holder>();
  readonly #shared = new WeakMap<PolicyReport, SharedReport>();
  #nextId = 1;
  #total = 0;
  /** Most that one cluster alone may take while the limit is exceeded. */
  #level = Number.POSITIVE_INFINITY;

  constructor(limits: ReportLimits) {
    this.#limits = limits;
  }

  get limits(): ReportLimits {
    return this.#limits;
  }

  /** Bytes that all reports take. */
  get total(): number {
    return this.#total;
  }

  /** Takes over what became of a cluster. */
  learn(before: ClusterRecord, after: ClusterRecord): void {
    const holder = this.#holderOf(after.name);
    holder.wantsMore = after.notKept !== null;
    if (before.report !== after.report || before.nack !== after.nack) {
      const facts = factsOf(after);
      this.#total += facts - holder.facts;
      holder.facts = facts;
    }
    if (before.policies !== after.policies) this.#learnPolicies(holder, before.policies, after.policies);
    if (after.policies.size > 0 || holder.facts > 0) return;
    this.#holders.delete(holder.name);
    this.#byId.delete(holder.id);
  }

  #learnPolicies(holder: Holder, before: ClusterRecord['policies'], after: ClusterRecord['policies']): void {
    for (const key of keysBetween(before, after)) {
      const [was, is] = [before.get(key), after.get(key)];
      if (is !== undefined) this.#change(holder, is, 1);
      if (was !== undefined) this.#change(holder, was, -1);
    }
  }

  #holderOf(name: string): Holder {
    const known = this.#holders.get(name);
    if (known !== undefined) return known;
    const holder: Holder = { id: this.#nextId, name, policies: 0, facts: 0, wantsMore: false };
    this.#nextId += 1;
    this.#holders.set(name, holder);
    this.#byId.set(holder.id, holder);
    return holder;
  }

  /** Adds a holder of a report, or removes it. What one cluster alone has counts for it; what several have, for none of them. */
  #change(holder: Holder, report: PolicyReport, by: 1 | -1): void {
    const weight = weightOfOne(report);
    const shared = isShortReport(report) ? this.#sharedOf(report) : undefined;
    if (shared === undefined) {
      this.#total += by * weight;
      holder.policies += by * weight;
      return;
    }
    this.#countSole(shared, -weight);
    shared.holders += by;
    shared.ids += by * holder.id;
    this.#countSole(shared, weight);
    if (by === 1 && shared.holders === 1) this.#total += weight;
    if (shared.holders === 0) this.#total -= weight;
  }

  #sharedOf(report: PolicyReport): SharedReport {
    const shared = this.#shared.get(report) ?? { holders: 0, ids: 0 };
    this.#shared.set(report, shared);
    return shared;
  }

  #countSole({ holders, ids }: SharedReport, bytes: number): void {
    const sole = holders === 1 ? this.#byId.get(ids) : undefined;
    if (sole !== undefined) sole.policies += bytes;
  }

  /** The quota of a cluster. */
  quotaOf(record: ClusterRecord, desired: Desired | null): ReportQuota {
    const { local, clusterBytes } = this.#limits;
    const meant = desired === null ? MOST_POLICIES : (desired.clusters.get(record.name)?.length ?? 0);
    return { policies: meant + local, local, bytes: clusterBytes, weight: this.#level + this.#sharedIn(record) };
  }

  /** Weight that the policies of a cluster may take beyond what it alone holds: what it shares with others, less its own facts. */
  #sharedIn({ name, policies }: ClusterRecord): number {
    if (this.#level === Number.POSITIVE_INFINITY) return 0;
    const holder = this.#holders.get(name);
    return weightOf(policies) - (holder === undefined ? 0 : ownOf(holder));
  }

  /**
   * Compares what there is with what there may be. Where it is too much, the largest clusters get as much as each other, by what each of them
   * alone has: to leave out what others have as well frees nothing.
   *
   * @returns names of the clusters that have more than that
   */
  findExcess(): readonly string[] {
    const most = this.#limits.memoryBytes;
    if (this.#total < most * RELAXED) this.#level = Number.POSITIVE_INFINITY;
    const isTooMuch = this.#total > most;
    if (!isTooMuch && this.#level === Number.POSITIVE_INFINITY) return [];
    const holders = [...this.#holders.values()];
    const shared = this.#total - holders.reduce((sum, holder) => sum + ownOf(holder), 0);
    const wanted = holders.map((holder) => (holder.wantsMore ? Number.POSITIVE_INFINITY : ownOf(holder)));
    this.#level = fairShare(wanted, Math.max(0, most * TRIMMED_TO - shared));
    if (!isTooMuch) return [];
    return holders.flatMap((holder) => (holder.policies > 0 && ownOf(holder) > this.#level ? [holder.name] : []));
  }
}
