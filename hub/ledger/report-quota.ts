import { getHeapStatistics } from 'node:v8';
import type { PolicyReport } from '@fso/shared/api';
import { isOfHub } from '@fso/shared/protocol';
import { StepMemo, weakMemo } from '@fso/shared/runtime';
import { isWhole, MAX_LISTED, type NamedPolicy } from '@fso/shared/status';
import { listIn, type NamedPolicies, namedIn, type Policies } from './policies/index.ts';
import type { ClusterRecord, Desired, LeftOut } from './types.ts';

/** Bounds of what the hub keeps of the reports of clusters. */
export interface ReportLimits {
  /**
   * Number of policies applied in one cluster, and of policies of the hub beyond those of its
   * current and its desired list.
   */
  readonly policies: number;
  /** Memory of the whole reports of one cluster, in bytes. */
  readonly clusterBytes: number;
  /**
   * Memory of the whole reports of all clusters, beyond which none grows above an equal share of
   * it.
   */
  readonly totalBytes: number;
}

/**
 * Share of the heap beyond which whole reports no longer grow freely: with an equal share for each
 * cluster on top they fill half of it.
 */
const SHARE = 0.25;

/**
 * Bounds of the reports that a hub keeps, of one cluster and of all.
 *
 * @param heapBytes largest heap of this process; default: that of V8
 */
export const reportLimits = (heapBytes: number = getHeapStatistics().heap_size_limit): ReportLimits => ({
  policies: 2_000,
  clusterBytes: 16 * 1024 * 1024,
  totalBytes: Math.floor(heapBytes * SHARE),
});

/** Bounds of the reports that are kept of one cluster. */
export interface ReportQuota {
  /** Policies of the hub by name, of which most are deviations. */
  readonly policies: number;
  /** Policies that were applied in the cluster: each is a whole report. */
  readonly whole: number;
  /** Memory of all whole reports, in bytes. Those of the hub go before the others. */
  readonly bytes: number;
}

/** Policies of one cluster that came or read otherwise, by key; undefined: they are gone. */
export type Changes = ReadonlyMap<string, NamedPolicy | undefined>;

/**
 * Memory of a report beside its text, with its part of the read model: measured with short and with
 * long ones.
 */
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

/** Bytes of memory that count against a quota. Deviations are shared, and take none. */
const sizeOf = (named: NamedPolicy): number => (isWhole(named) ? bytesOf(named) : 0);

interface Usage {
  /** Policies of the hub. */
  policies: number;
  hubBytes: number;
  /** Policies that were applied in the cluster. */
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
 * Usages of the policies reported by name. Each is computed from the one before, so the cost of a
 * change is proportional to its size.
 */
const usages = new StepMemo((named: NamedPolicies): Readonly<Usage> => {
  const usage = { ...NO_USAGE };
  for (const each of named.values()) add(usage, each);
  return usage;
});

/**
 * Whether there is room for a policy that the usage counts already. One of the hub needs none that
 * others can make.
 */
const fits = (named: NamedPolicy, usage: Usage, quota: ReportQuota): boolean => {
  if (!isOfHub(named)) return usage.whole <= quota.whole && totalBytesOf(usage) <= quota.bytes;
  return usage.policies <= quota.policies && (!isWhole(named) || usage.hubBytes <= quota.bytes);
};

/** Whether what becomes of a policy needs no more room than what is kept of it. */
const needsNoMore = (before: NamedPolicy | undefined, named: NamedPolicy | undefined): boolean =>
  named === undefined || (before !== undefined && isOfHub(before) === isOfHub(named) && sizeOf(named) <= sizeOf(before));

/** Rank by which policies are kept: those of the hub, then the gravest. */
const rankOf = (named: NamedPolicy): number => {
  const isGrave = named.phase === 'Failed' || named.violations > 0 || named.risks !== undefined;
  return (isOfHub(named) ? 0 : 2) + (isGrave ? 0 : 1);
};

/**
 * Keys of policies that were applied in the cluster and go so that as many bytes are free: the
 * least grave ones.
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

/** Changes without those of some policies, of which nothing is kept. */
const without = (before: NamedPolicies, changes: Changes, keys: Iterable<string>): Map<string, NamedPolicy | undefined> => {
  const rest = new Map(changes);
  for (const key of keys) {
    if (before.has(key)) rest.set(key, undefined);
    else rest.delete(key);
  }
  return rest;
};

/** Keys of changed policies for which there is no room, and the usage with the others. */
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
 * Reduces the changes of a report to those that fit into the quota of its cluster. Unchanged
 * policies keep their room, and so do those that did not grow; only a policy of the hub displaces
 * one that was applied in the cluster.
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
  // A quota may have become less than what is kept.
  const excess = totalBytesOf(usage) - Math.max(quota.bytes, totalBytesOf(usages.get(before)));
  if (excess <= 0) return { changes: taken, left: leftOut };
  const after = withChanges(before, taken);
  const gone = leastGrave(after, excess);
  return { changes: without(before, taken, gone), left: [...leftOut, ...[...gone].flatMap((key) => after.get(key) ?? [])] };
};

/** Smallest sizes left out of a record that is complete. */
export const NONE_LEFT_OUT: LeftOut = { hub: Number.POSITIVE_INFINITY, local: Number.POSITIVE_INFINITY };

/**
 * Returns the smallest sizes left out, with more policies left out; the same object if there are
 * none.
 */
export const joinLeftOut = (known: LeftOut, left: readonly NamedPolicy[]): LeftOut =>
  left.reduce<LeftOut>(({ hub, local }, named) => {
    const size = sizeOf(named);
    return isOfHub(named) ? { hub: Math.min(hub, size), local } : { hub, local: Math.min(local, size) };
  }, known);

/**
 * Part of a quota that has to be free before an agent is asked again for the policies that were
 * left out.
 */
const FREE = 8;

/**
 * Whether there is room for a good part of what was left out of a record, or for any of the hub's.
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

/** Memory of the whole reports of all clusters, and what each may have of it. */
export class ReportMemory {
  readonly #limits: ReportLimits;
  #total = 0;

  constructor(limits: ReportLimits) {
    this.#limits = limits;
  }

  /** Takes over what became of the policies of a cluster. */
  learn(before: Policies, after: Policies): void {
    this.#total += totalBytesOf(usages.get(namedIn(after))) - totalBytesOf(usages.get(namedIn(before)));
  }

  /** Returns the quota of a cluster, from its desired list and its current one. */
  quotaOf(record: ClusterRecord, desired: Desired | null): ReportQuota {
    const { policies, clusterBytes, totalBytes } = this.#limits;
    // While the repository has not been read, as many as a list can have.
    const meant = desired === null ? MAX_LISTED : (desired.clusters.get(record.name)?.length ?? 0);
    const listed = Math.max(meant, listIn(record)?.policies.length ?? 0);
    const share = totalBytes / Math.max(1, desired?.clusters.size ?? 1);
    const bytes = this.#total > totalBytes ? Math.min(clusterBytes, share) : clusterBytes;
    return { policies: listed + policies, whole: policies, bytes };
  }
}
