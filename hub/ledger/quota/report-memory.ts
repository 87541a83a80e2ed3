import { getHeapStatistics } from 'node:v8';
import { isShortReport, type PolicyReport } from '@fso/shared/api';
import { fairShare } from '../fair-share.ts';
import { keysBetween } from '../interning.ts';
import type { ClusterRecord, Desired } from '../types.ts';
import { bytesOf, type ReportQuota, weigh, weightOf } from './report-quota.ts';

/** Bounds of what the hub keeps of the reports of clusters. */
export interface ReportLimits {
  /** Policies that one cluster may have beyond those of its commit, and of those that were applied in it. */
  readonly local: number;
  /** Of the reports of one cluster, as JSON. */
  readonly clusterBytes: number;
  /** Of memory, for the reports of all clusters; what many clusters report alike counts once. */
  readonly memoryBytes: number;
}

/** Of the heap. */
const SHARE = 0.5;

/** @param heapBytes what the heap of this process may have; default: as V8 says */
export const reportLimits = (heapBytes: number = getHeapStatistics().heap_size_limit): ReportLimits => ({
  local: 2_000,
  clusterBytes: 16 * 1024 * 1024,
  memoryBytes: Math.floor(heapBytes * SHARE),
});

/** As many as a commit may have: while the repository was not read, nobody knows how many a cluster is meant to have. */
const MOST_POLICIES = 20_000;

/** Where there is too much, this part of the limit is left, so that not every report is too much again. */
const TRIMMED_TO = 0.9;
/** Below this part of the limit clusters may grow again. */
const RELAXED = 0.75;

interface SharedReport {
  holders: number;
  /** The cluster that it counts for: the first that had it. */
  of: string | undefined;
}

const weightOfOne = (report: PolicyReport): number => weigh(1, bytesOf(report));

/** How much memory the reports take, all together and those of each cluster. */
export class ReportMemory {
  readonly #limits: ReportLimits;
  readonly #own = new Map<string, number>();
  readonly #shared = new WeakMap<PolicyReport, SharedReport>();
  #total = 0;
  /** What the reports of one cluster alone may take while there is too much. */
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
    if (before.policies === after.policies) return;
    for (const key of keysBetween(before.policies, after.policies)) {
      const [was, is] = [before.policies.get(key), after.policies.get(key)];
      if (is !== undefined) this.#hold(after.name, is);
      if (was !== undefined) this.#release(after.name, was);
    }
  }

  #hold(cluster: string, report: PolicyReport): void {
    const shared = this.#shared.get(report);
    if (shared !== undefined && shared.holders > 0) {
      shared.holders += 1;
      return;
    }
    if (isShortReport(report)) this.#shared.set(report, { holders: 1, of: cluster });
    this.#count(cluster, weightOfOne(report));
  }

  #release(cluster: string, report: PolicyReport): void {
    const bytes = weightOfOne(report);
    const shared = this.#shared.get(report) ?? { holders: 1, of: cluster };
    shared.holders -= 1;
    if (shared.holders === 0) this.#total -= bytes;
    if (shared.of !== cluster) return;
    shared.of = undefined;
    this.#countOwn(cluster, -bytes);
  }

  #count(cluster: string, bytes: number): void {
    this.#total += bytes;
    this.#countOwn(cluster, bytes);
  }

  #countOwn(cluster: string, bytes: number): void {
    const own = (this.#own.get(cluster) ?? 0) + bytes;
    if (own === 0) this.#own.delete(cluster);
    else this.#own.set(cluster, own);
  }

  /** What is kept of a cluster's reports. */
  quotaOf(record: ClusterRecord, desired: Desired | null): ReportQuota {
    const { local, clusterBytes } = this.#limits;
    const meant = desired === null ? MOST_POLICIES : (desired.clusters.get(record.name)?.length ?? 0);
    return { policies: meant + local, local, bytes: clusterBytes, weight: this.#level + this.#othersIn(record) };
  }

  /** What a cluster's reports take that counts for another one. */
  #othersIn({ name, policies }: ClusterRecord): number {
    return this.#level === Number.POSITIVE_INFINITY ? 0 : weightOf(policies) - (this.#own.get(name) ?? 0);
  }

  /**
   * Compares what there is with what there may be. Where it is too much, the largest clusters get as much as each other.
   *
   * @returns names of the clusters that have more than that
   */
  findExcess(): readonly string[] {
    const most = this.#limits.memoryBytes;
    if (this.#total < most * RELAXED) this.#level = Number.POSITIVE_INFINITY;
    if (this.#total <= most) return [];
    const own = [...this.#own.values()];
    // What nobody has to answer for any more is still there.
    const unowned = this.#total - own.reduce((sum, bytes) => sum + bytes, 0);
    this.#level = Math.max(0, fairShare(own, Math.max(0, most * TRIMMED_TO - unowned)));
    return [...this.#own].flatMap(([name, bytes]) => (bytes > this.#level ? [name] : []));
  }
}
