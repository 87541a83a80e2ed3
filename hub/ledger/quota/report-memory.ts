import { getHeapStatistics } from 'node:v8';
import { fairShare } from '../fair-share.ts';
import { deviationsOf } from '../policies/index.ts';
import type { ClusterRecord, Desired } from '../types.ts';
import { type ReportQuota, weightOf } from './report-quota.ts';

/** Bounds of what the hub keeps of the reports of clusters. */
export interface ReportLimits {
  /** Policies that one cluster may have beyond those of its commit, and of those that were applied in it. */
  readonly local: number;
  /** Largest JSON of the reports of one cluster. */
  readonly clusterBytes: number;
  /** Most memory for the reports that clusters make by name, and for what each says of itself. */
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

/** The reports that are held of one cluster. */
interface Holder {
  readonly name: string;
  /** Bytes of the policies that it reports by name. */
  policies: number;
  /** Bytes of what it says of itself. */
  facts: number;
  /** Not all of its policies are kept: it takes what others leave. */
  wantsMore: boolean;
}

const ownOf = ({ policies, facts }: Holder): number => policies + facts;

/** Bytes of memory that an entry of a record takes beside its text. */
const ENTRY_BYTES = 100;

/** Bytes of memory that a cluster's report on itself, its baseline and its refusal of a commit take. */
const factsOf = ({ report, nack, baseline }: ClusterRecord): number => {
  const textOf = (value: object | null): number => (value === null ? 0 : Buffer.byteLength(JSON.stringify(value)));
  return textOf(report) + textOf(nack) + textOf(baseline) + Object.keys(report?.nodesByRegion ?? {}).length * ENTRY_BYTES;
};

/** How much memory the reports take, all together and those of each cluster. */
export class ReportMemory {
  readonly #limits: ReportLimits;
  readonly #holders = new Map<string, Holder>();
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
    if (before.report !== after.report || before.nack !== after.nack || before.baseline !== after.baseline) {
      const facts = factsOf(after);
      this.#total += facts - holder.facts;
      holder.facts = facts;
    }
    const deviations = deviationsOf(after.policies);
    const policies = deviations.size === 0 ? 0 : weightOf(deviations);
    this.#total += policies - holder.policies;
    holder.policies = policies;
    if (policies === 0 && holder.facts === 0) this.#holders.delete(holder.name);
  }

  #holderOf(name: string): Holder {
    const known = this.#holders.get(name);
    if (known !== undefined) return known;
    const holder: Holder = { name, policies: 0, facts: 0, wantsMore: false };
    this.#holders.set(name, holder);
    return holder;
  }

  /** The quota of a cluster. */
  quotaOf(record: ClusterRecord, desired: Desired | null): ReportQuota {
    const { local, clusterBytes } = this.#limits;
    const meant = desired === null ? MOST_POLICIES : (desired.clusters.get(record.name)?.length ?? 0);
    const facts = this.#holders.get(record.name)?.facts ?? 0;
    return { policies: meant + local, local, bytes: clusterBytes, weight: this.#level - facts };
  }

  /**
   * Compares what there is with what there may be. Where it is too much, the largest clusters get as much as each other, by what each of them
   * has.
   *
   * @returns names of the clusters that have more than that
   */
  findExcess(): readonly string[] {
    const most = this.#limits.memoryBytes;
    if (this.#total < most * RELAXED) this.#level = Number.POSITIVE_INFINITY;
    const isTooMuch = this.#total > most;
    if (!isTooMuch && this.#level === Number.POSITIVE_INFINITY) return [];
    const holders = [...this.#holders.values()];
    const wanted = holders.map((holder) => (holder.wantsMore ? Number.POSITIVE_INFINITY : ownOf(holder)));
    this.#level = fairShare(wanted, most * TRIMMED_TO);
    if (!isTooMuch) return [];
    return holders.flatMap((holder) => (holder.policies > 0 && ownOf(holder) > this.#level ? [holder.name] : []));
  }
}
