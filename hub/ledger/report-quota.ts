import { getHeapStatistics } from 'node:v8';
import type { PolicyReport } from '@fso/shared/api';
import { isOfHub } from '@fso/shared/protocol';
import { StepMemo, weakMemo } from '@fso/shared/runtime';
import { isWhole, MAX_LISTED, type NamedPolicy } from '@fso/shared/status';
import { listIn, type NamedPolicies, namedIn, type Policies } from './policies/index.ts';
import type { ClusterRecord, Desired, LeftOut } from './types.ts';

/** Bounds of the reports that the hub keeps. */
export interface ReportLimits {
  /**
   * Maximum number of policies applied in one cluster, and of the hub's policies beyond those of
   * the current and the desired list of the cluster.
   */
  readonly policies: number;
  /** Memory for the whole reports of one cluster, in bytes. */
  readonly clusterBytes: number;
  /**
   * Memory for the whole reports of all clusters, in bytes. Once it is used up, no cluster grows
   * beyond an equal share.
   */
  readonly totalBytes: number;
}

/**
 * Share of the heap that whole reports may fill before each cluster is also limited to an equal
 * share. With that share of each cluster on top, they fill half of the heap.
 */
const SHARE = 0.25;

/**
 * Returns the limits on the reports that a hub keeps in memory: the number of policies and the
 * bytes per cluster, and the bytes in total.
 *
 * @param heapBytes maximum heap size of this process; default: that of V8
 */
export const reportLimits = (heapBytes: number = getHeapStatistics().heap_size_limit): ReportLimits => ({
  policies: 2_000,
  clusterBytes: 16 * 1024 * 1024,
  totalBytes: Math.floor(heapBytes * SHARE),
});

/** Bounds of the reports that are kept of one cluster. */
export interface ReportQuota {
  /** Maximum number of the hub's policies reported by name. Most of them are deviations. */
  readonly policies: number;
  /** Maximum number of policies that were applied in the cluster. Each is a whole report. */
  readonly whole: number;
  /** Memory for whole reports, in bytes. Those of the hub's policies take precedence. */
  readonly bytes: number;
}

/** Changed policies of one cluster by key; undefined: the policy was removed. */
export type Changes = ReadonlyMap<string, NamedPolicy | undefined>;

/**
 * Memory of a report besides its text, with its part of the read model, in bytes. Measured with
 * short and long reports.
 */
const REPORT_BYTES = 3 * 1024;
/**
 * Memory of a label, and of an item of a list, besides their text, in bytes. Measured with short
 * ones.
 */
const LABEL_BYTES = 100;
const ITEM_BYTES = 32;

/** Memory of a whole report, in bytes. */
const bytesOf = weakMemo((report: PolicyReport): number => {
  const { namespaceLabels = [], namespaces, effectiveRegions } = report;
  const labels = namespaceLabels.reduce((sum, { labels }) => sum + Object.keys(labels).length, 0);
  const items = namespaces.length + effectiveRegions.length;
  return Buffer.byteLength(JSON.stringify(report)) + REPORT_BYTES + labels * LABEL_BYTES + items * ITEM_BYTES;
});

/** Bytes that count against a quota. Deviations count as 0, because they are shared. */
const sizeOf = (named: NamedPolicy): number => (isWhole(named) ? bytesOf(named) : 0);

interface Usage {
  /** Number of the hub's policies. */
  policies: number;
  hubBytes: number;
  /** Number of policies that were applied in the cluster. */
  whole: number;
  localBytes: number;
}

const totalBytesOf = ({ hubBytes, localBytes }: Usage): number => hubBytes + localBytes;

const add = (usage: Usage, named: NamedPolicy | undefined, by: 1 | -1 = 1): void => {
  if (named === undefined) return;
  const bytes = by * sizeOf(named);
  if (isOfHub(named)) {
    usage.policies += by;
    usage.hubBytes += bytes;
  } else {
    usage.whole += by;
    usage.localBytes += bytes;
  }
};

const NO_USAGE: Usage = { policies: 0, hubBytes: 0, whole: 0, localBytes: 0 };

/**
 * Usage of the policies reported by name. Derived from the previous usage, so the cost is
 * proportional to the size of the change.
 */
const usages = new StepMemo((named: NamedPolicies): Readonly<Usage> => {
  const usage = { ...NO_USAGE };
  for (const each of named.values()) add(usage, each);
  return usage;
});

/**
 * Whether the usage, which includes this policy, is within the quota. A policy of the hub is not
 * counted against those that were applied in the cluster.
 */
const fits = (named: NamedPolicy, usage: Usage, quota: ReportQuota): boolean => {
  if (!isOfHub(named)) return usage.whole <= quota.whole && totalBytesOf(usage) <= quota.bytes;
  return usage.policies <= quota.policies && (!isWhole(named) || usage.hubBytes <= quota.bytes);
};

/** Whether a changed policy takes no more room than before. */
const needsNoMore = (before: NamedPolicy | undefined, named: NamedPolicy | undefined): boolean =>
  named === undefined || (before !== undefined && isOfHub(before) === isOfHub(named) && sizeOf(named) <= sizeOf(before));

/** Rank by which policies are kept: the hub's policies first, then the most severe ones. */
const rankOf = (named: NamedPolicy): number => {
  const isGrave = named.phase === 'Failed' || named.violations > 0 || named.risks !== undefined;
  return (isOfHub(named) ? 0 : 2) + (isGrave ? 0 : 1);
};

/**
 * Selects policies that were applied in the cluster, the least severe first, until their size
 * reaches a number of bytes.
 */
const leastGrave = (named: NamedPolicies, bytes: number): ReadonlySet<string> => {
  const gone = new Set<string>();
  const locals = [...named].filter(([, each]) => !isOfHub(each)).sort(([, a], [, b]) => rankOf(b) - rankOf(a));
  let excess = bytes;
  for (const [key, each] of locals) {
    if (excess <= 0) break;
    gone.add(key);
    excess -= sizeOf(each);
  }
  return gone;
};

/** Returns the policies with changes applied. */
export const withChanges = (before: NamedPolicies, changes: Changes): Map<string, NamedPolicy> => {
  const after = new Map(before);
  const usage = { ...usages.get(before) };
  for (const [key, named] of changes) {
    add(usage, before.get(key), -1);
    add(usage, named);
    if (named === undefined) after.delete(key);
    else after.set(key, named);
  }
  usages.note(after, usage);
  return after;
};

/** Leaves policies out of the changes. Those that were kept before are removed. */
const without = (before: NamedPolicies, changes: Changes, keys: Iterable<string>): Map<string, NamedPolicy | undefined> => {
  const rest = new Map(changes);
  for (const key of keys) {
    if (before.has(key)) rest.set(key, undefined);
    else rest.delete(key);
  }
  return rest;
};

/**
 * Selects the changed policies for which there is no room.
 *
 * @returns their keys, and the usage of all others
 */
const takeByRank = (before: NamedPolicies, changes: Changes, quota: ReportQuota): { readonly usage: Usage; readonly left: Set<string> } => {
  const usage = { ...usages.get(before) };
  for (const key of changes.keys()) add(usage, before.get(key), -1);
  const others: [string, NamedPolicy][] = [];
  for (const [key, named] of changes) {
    if (named === undefined || needsNoMore(before.get(key), named)) add(usage, named);
    else others.push([key, named]);
  }
  const left = new Set<string>();
  for (const [key, named] of others.sort(([, a], [, b]) => rankOf(a) - rankOf(b))) {
    add(usage, named);
    if (fits(named, usage, quota)) continue;
    add(usage, named, -1);
    left.add(key);
  }
  return { usage, left };
};

/**
 * Reduces the changes of a report to those that fit into the quota of its cluster. Policies that
 * are unchanged or did not grow keep their room. Only a policy of the hub displaces one that was
 * applied in the cluster.
 *
 * @returns the changes to store, and the policies that were left out
 */
export const keepWithin = (
  before: NamedPolicies,
  changes: Changes,
  quota: ReportQuota,
): { readonly changes: Changes; readonly left: readonly NamedPolicy[] } => {
  const { usage, left } = takeByRank(before, changes, quota);
  const leftOut = [...left].flatMap((key) => changes.get(key) ?? []);
  const taken = left.size === 0 ? changes : without(before, changes, left);
  // The quota may have become smaller than what is already kept.
  const excess = totalBytesOf(usage) - Math.max(quota.bytes, totalBytesOf(usages.get(before)));
  if (excess <= 0) return { changes: taken, left: leftOut };
  const after = withChanges(before, taken);
  const gone = leastGrave(after, excess);
  return { changes: without(before, taken, gone), left: [...leftOut, ...[...gone].flatMap((key) => after.get(key) ?? [])] };
};

/** Sizes for a record from which nothing is left out. */
export const NONE_LEFT_OUT: LeftOut = { hub: Number.POSITIVE_INFINITY, local: Number.POSITIVE_INFINITY };

/**
 * Updates the smallest sizes that were left out. Returns the same object if nothing was left out.
 */
export const joinLeftOut = (known: LeftOut, left: readonly NamedPolicy[]): LeftOut =>
  left.reduce<LeftOut>(({ hub, local }, named) => {
    const size = sizeOf(named);
    return isOfHub(named) ? { hub: Math.min(hub, size), local } : { hub, local: Math.min(local, size) };
  }, known);

/**
 * Fraction (1/8) of a quota that must be free before an agent is asked again for policies that were
 * left out.
 */
const FREE = 8;

/**
 * Whether there is room again for a good part of the policies that were left out, or for the
 * smallest of the hub's.
 */
export const hasRoom = (
  named: NamedPolicies,
  { notKept, leftOut: left }: Pick<ClusterRecord, 'notKept' | 'leftOut'>,
  quota: ReportQuota,
): boolean => {
  if (notKept === null) return false;
  const usage = usages.get(named);
  const wanted = Math.min(notKept, quota.whole / FREE);
  const least = quota.bytes / FREE;
  const isHubFree = (bytes: number) => quota.policies - usage.policies >= wanted && quota.bytes - usage.hubBytes >= bytes;
  const isLocalFree = (bytes: number) => quota.whole - usage.whole >= wanted && quota.bytes - totalBytesOf(usage) >= Math.max(bytes, least);
  return left === undefined ? isHubFree(least) && isLocalFree(least) : isHubFree(left.hub) || isLocalFree(left.local);
};

/** Memory of the whole reports of all clusters, and the quota of each cluster. */
export class ReportMemory {
  readonly #limits: ReportLimits;
  #total = 0;

  constructor(limits: ReportLimits) {
    this.#limits = limits;
  }

  /** Updates the total after the policies of a cluster changed. */
  learn(before: Policies, after: Policies): void {
    this.#total += totalBytesOf(usages.get(namedIn(after))) - totalBytesOf(usages.get(namedIn(before)));
  }

  /** Computes the quota of a cluster from its desired and its current policy list. */
  quotaOf(record: ClusterRecord, desired: Desired | null): ReportQuota {
    const { policies, clusterBytes, totalBytes } = this.#limits;
    // Until the repository has been read, the longest possible list is assumed.
    const meant = desired === null ? MAX_LISTED : (desired.clusters.get(record.name)?.length ?? 0);
    const listed = Math.max(meant, listIn(record)?.policies.length ?? 0);
    const share = totalBytes / Math.max(1, desired?.clusters.size ?? 1);
    const bytes = this.#total > totalBytes ? Math.min(clusterBytes, share) : clusterBytes;
    return { policies: listed + policies, whole: policies, bytes };
  }
}
