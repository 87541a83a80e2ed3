import { getHeapStatistics } from 'node:v8';
import type { PolicyReport } from '@fso/shared/api';
import { weakMemo } from '@fso/shared/runtime';
import { isWhole, type NamedPolicy } from '@fso/shared/status';
import { type NamedPolicies, namedIn, type Policies } from './policies/index.ts';
import type { ClusterRecord, Desired } from './types.ts';

/** Bounds of what the hub keeps of the reports of clusters. */
export interface ReportLimits {
  /** Whole reports of one cluster, and deviations beyond the policies that it is meant to have. */
  readonly policies: number;
  /** Memory of the whole reports of one cluster, in bytes. */
  readonly clusterBytes: number;
  /** Memory of the whole reports of all clusters, beyond which none grows above an equal share of it. */
  readonly totalBytes: number;
}

/** Share of the heap beyond which whole reports no longer grow freely: with an equal share for each cluster on top they fill half of it. */
const SHARE = 0.25;

/** @param heapBytes what the heap of this process may have; default: as V8 says */
export const reportLimits = (heapBytes: number = getHeapStatistics().heap_size_limit): ReportLimits => ({
  policies: 2_000,
  clusterBytes: 16 * 1024 * 1024,
  totalBytes: Math.floor(heapBytes * SHARE),
});

/** Bounds of what is kept of one cluster. */
export interface ReportQuota {
  /** Policies by name. */
  readonly policies: number;
  /** Those among them that are whole reports. */
  readonly whole: number;
  /** Memory of the whole ones, in bytes. */
  readonly bytes: number;
}

/** Policies of one cluster that came or read otherwise, by key; undefined: they are gone. */
export type Changes = ReadonlyMap<string, NamedPolicy | undefined>;

/** Memory of a report beside its text, with its part of the read model: measured with short and with long ones. */
const REPORT_BYTES = 3 * 1024;
/** Memory of a label beside its text, and of an item of a list: measured with short ones. */
const LABEL_BYTES = 100;
const ITEM_BYTES = 32;

/** Bytes of memory that a whole report takes. */
const bytesOf = weakMemo((report: PolicyReport): number => {
  const { namespaceLabels = [], namespaces, effectiveRegions } = report;
  const labels = namespaceLabels.reduce((sum, { labels }) => sum + Object.keys(labels).length, 0);
  const items = namespaces.length + effectiveRegions.length;
  return Buffer.byteLength(JSON.stringify(report)) + REPORT_BYTES + labels * LABEL_BYTES + items * ITEM_BYTES;
});

interface Usage {
  policies: number;
  whole: number;
  bytes: number;
}

const add = (usage: Usage, named: NamedPolicy | undefined, by: 1 | -1 = 1): void => {
  if (named === undefined) return;
  usage.policies += by;
  if (!isWhole(named)) return;
  usage.whole += by;
  usage.bytes += by * bytesOf(named);
};

/** Usage of what is reported by name; counted once for each map. */
const usageOf: (named: NamedPolicies) => Readonly<Usage> = weakMemo((named) => {
  const usage: Usage = { policies: 0, whole: 0, bytes: 0 };
  for (const each of named.values()) add(usage, each);
  return usage;
});

const fits = ({ policies, whole, bytes }: Usage, quota: ReportQuota): boolean =>
  policies <= quota.policies && whole <= quota.whole && bytes <= quota.bytes;

/** What goes, then the gravest: in a full report they are kept before others. */
const rankOf = (named: NamedPolicy | undefined): number => {
  if (named === undefined) return 0;
  return named.phase === 'Failed' || named.violations > 0 ? 1 : 2;
};

/** Changes as far as a quota has room, and whether there was room for all. What does not change stays. */
export const keepWithin = (
  before: NamedPolicies,
  changes: Changes,
  quota: ReportQuota,
): { readonly changes: Changes; readonly isAll: boolean } => {
  const usage = { ...usageOf(before) };
  for (const key of changes.keys()) add(usage, before.get(key), -1);
  const left = new Set<string>();
  for (const [key, named] of [...changes].sort(([, a], [, b]) => rankOf(a) - rankOf(b))) {
    add(usage, named);
    if (named === undefined || fits(usage, quota)) continue;
    add(usage, named, -1);
    left.add(key);
  }
  if (left.size === 0) return { changes, isAll: true };
  const kept = [...changes].filter(([key]) => !left.has(key) || before.has(key));
  return { changes: new Map(kept.map(([key, named]) => [key, left.has(key) ? undefined : named])), isAll: false };
};

/** Part of a quota that has to be free before an agent is asked again for what was left out. */
const FREE = 8;

/** Whether there is room for a good part of what was left out. @param missing policies that were */
export const hasRoom = (named: NamedPolicies, quota: ReportQuota, missing: number): boolean => {
  const { policies, whole, bytes } = usageOf(named);
  const wanted = Math.min(missing, quota.whole / FREE);
  return quota.policies - policies >= wanted && quota.whole - whole >= wanted && quota.bytes - bytes >= quota.bytes / FREE;
};

/** Policies that a cluster is taken to be meant to have while the repository has not been read. */
const MOST_POLICIES = 20_000;

/** Memory of the whole reports of all clusters, and what each may have of it. */
export class ReportMemory {
  readonly #limits: ReportLimits;
  #total = 0;

  constructor(limits: ReportLimits) {
    this.#limits = limits;
  }

  /** Takes over what became of the policies of a cluster. */
  learn(before: Policies, after: Policies): void {
    this.#total += usageOf(namedIn(after)).bytes - usageOf(namedIn(before)).bytes;
  }

  /** The quota of a cluster. */
  quotaOf({ name }: Pick<ClusterRecord, 'name'>, desired: Desired | null): ReportQuota {
    const { policies, clusterBytes, totalBytes } = this.#limits;
    const meant = desired === null ? MOST_POLICIES : (desired.clusters.get(name)?.length ?? 0);
    const share = totalBytes / Math.max(1, desired?.clusters.size ?? 1);
    return { policies: meant + policies, whole: policies, bytes: this.#total > totalBytes ? Math.min(clusterBytes, share) : clusterBytes };
  }
}
