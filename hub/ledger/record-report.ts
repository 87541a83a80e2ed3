import { policyKey } from '@fso/shared/api';
import { changeDigest, EMPTY_DIGEST, factsAfter, isOfHub, joinDigests, type Report } from '@fso/shared/protocol';
import { StepMemo, sameItems } from '@fso/shared/runtime';
import { type Baseline, deviationsIn, isSameBaseline, type NamedPolicy } from '@fso/shared/status';
import {
  ClusterPolicies,
  listIn,
  type NamedPolicies,
  namedIn,
  type Policies,
  type PolicyList,
  UnlistedPolicies,
} from './policies/index.ts';
import { type Changes, joinLeftOut, keepWithin, NONE_LEFT_OUT, type ReportQuota, withChanges } from './report-quota.ts';
import type { ClusterRecord, LeftOut } from './types.ts';

/**
 * Keeps the object of a value that did not change.
 *
 * @returns `before` if both have the same JSON. The order of fields counts, because digests depend
 * on it
 */
export const keepUnchanged = <T>(before: T | undefined, now: T): T =>
  before !== now && before !== undefined && JSON.stringify(before) === JSON.stringify(now) ? before : now;

/**
 * Collects the policies of a report by key; undefined: the policy was removed. A full report
 * removes the policies that it does not mention.
 */
const reportedPolicies = (known: NamedPolicies, report: Report): Changes => {
  const reported = new Map<string, NamedPolicy | undefined>(report.full ? [...known.keys()].map((key) => [key, undefined]) : []);
  for (const [key, deviation] of deviationsIn(report.deviations)) reported.set(key, deviation);
  for (const policy of report.policies) reported.set(policyKey(policy), policy);
  for (const key of report.removed) reported.set(key, undefined);
  return reported;
};

/** Returns only the policies that changed. An equal policy keeps its object. */
const changesOf = (known: NamedPolicies, report: Report): Changes => {
  const changes = new Map<string, NamedPolicy | undefined>();
  for (const [key, named] of reportedPolicies(known, report)) {
    const before = known.get(key);
    const now = named && keepUnchanged(before, named);
    if (now !== before) changes.set(key, now);
  }
  return changes;
};

type Entry = readonly [string, NamedPolicy];

const found = (named: NamedPolicies, keys: Iterable<string>): Entry[] =>
  [...keys].flatMap((key): Entry[] => {
    const each = named.get(key);
    return each === undefined ? [] : [[key, each]];
  });

/** Policy lists in the ledger, by digest. */
export interface KnownLists {
  get(digest: string): PolicyList | undefined;
}

/**
 * Combines the policy list of the baseline with the policies that the cluster reports by name. If
 * the list is unknown, only the latter are returned.
 */
export const policiesOf = (baseline: Baseline | null, named: NamedPolicies, lists: KnownLists): Policies => {
  const list = baseline === null ? undefined : lists.get(baseline.list);
  return list === undefined || baseline === null ? new UnlistedPolicies(named) : new ClusterPolicies(list, baseline, named);
};

const namedAfter = (before: NamedPolicies, changes: Changes): NamedPolicies => {
  if (changes.size === 0) return before;
  const after = withChanges(before, changes);
  noteDigests(before, changes, after);
  return after;
};

/**
 * Whether a new baseline changes nothing that readers see: only its time moved, and no policy
 * expired in between.
 */
const readsAlike = (record: ClusterRecord, next: Baseline | null, lists: KnownLists): boolean => {
  const { baseline } = record;
  if (!isSameBaseline(baseline, next)) return false;
  if (baseline === null || next === null) return true;
  const list = listIn(record);
  if (list !== lists.get(next.list)) return false;
  // Policies that are not known yet may have expired in between.
  return list?.isWhole === true ? list.countExpired(baseline.asOf) === list.countExpired(next.asOf) : baseline.asOf === next.asOf;
};

const PROFILE = ['floor', 'gatekeeper', 'injection', 'gatekeeperNamespace'] as const;

/**
 * Reuses the parts of the previous baseline that are equal. What is derived from them by identity
 * then stays valid too.
 */
const withPartsOf = (before: Baseline | null, next: Baseline | null): Baseline | null => {
  if (before === null || next === null) return next;
  const profile = isSameBaseline(before, next, PROFILE) ? before.profile : next.profile;
  return { ...next, profile, namespaces: sameItems(before.namespaces, next.namespaces) ? before.namespaces : next.namespaces };
};

interface Reported {
  readonly baseline: Baseline | null;
  readonly changes: Changes;
}

const withReported = (record: ClusterRecord, { baseline, changes }: Reported, time: string, lists: KnownLists): ClusterRecord => {
  if (changes.size === 0 && readsAlike(record, baseline, lists)) return record;
  const named = namedAfter(namedIn(record.policies), changes);
  const next = withPartsOf(record.baseline, baseline);
  return { ...record, baseline: next, policies: policiesOf(next, named, lists), policiesChanged: time };
};

/** Quota and known policy lists by which a report is recorded. */
export interface ReportContext {
  readonly quota: ReportQuota;
  readonly lists: KnownLists;
}

interface Digests {
  /** Digest of the hub's policies that are reported by name. */
  readonly root: string;
  /** Digest of the policies that were applied in the cluster. */
  readonly local: string;
  /** Number of policies that were applied in the cluster but use the key of a policy of the hub. */
  readonly disguised: number;
}

const NO_DIGESTS: Digests = { root: EMPTY_DIGEST, local: EMPTY_DIGEST, disguised: 0 };

/**
 * Digests of the policies reported by name. Derived from the previous digests, so the cost is
 * proportional to the size of the change.
 */
const digests = new StepMemo((named: NamedPolicies): Digests => changeDigests(NO_DIGESTS, [...named], []));

const changeDigests = ({ root, local, disguised }: Digests, came: readonly Entry[], went: readonly Entry[]): Digests => {
  const ofHub = (entries: readonly Entry[]) => entries.filter(([, named]) => isOfHub(named));
  const others = (entries: readonly Entry[]) => entries.filter(([, named]) => !isOfHub(named));
  const countDisguised = (entries: readonly Entry[]) => others(entries).filter(([key]) => !key.includes('/')).length;
  return {
    root: changeDigest(root, ofHub(came), ofHub(went)),
    local: changeDigest(local, others(came), others(went)),
    disguised: disguised + countDisguised(came) - countDisguised(went),
  };
};

/** Stores the digests of the policies after a change. */
const noteDigests = (before: NamedPolicies, changes: Changes, after: NamedPolicies): void => {
  digests.note(after, changeDigests(digests.get(before), found(after, changes.keys()), found(before, changes.keys())));
};

/** Digest of all policies that a cluster reports by name, as far as they are kept. */
export const reportedDigest = ({ policies }: Pick<ClusterRecord, 'policies'>): string => {
  const { root, local } = digests.get(namedIn(policies));
  return joinDigests(root, local);
};

/**
 * Whether the stored deviations of the hub's policies differ from those of the agent, because a
 * report was lost or not kept. A policy that was applied in the cluster under the key of a policy
 * of the hub also counts as a difference.
 */
const hasDiverged = (named: NamedPolicies, reported: Report['total']): boolean => {
  const { root, disguised } = digests.get(named);
  return root !== reported.root || disguised > 0;
};

interface Kept {
  readonly named: NamedPolicies;
  /** Policies that are now left out, although the report has them or the record had them. */
  readonly left: readonly NamedPolicy[];
}

/**
 * Sizes of the smallest policies that are left out of a record; undefined: policies are left out,
 * but their sizes are unknown.
 */
const leftOutBefore = ({ leftOut, notKept }: ClusterRecord): LeftOut | undefined =>
  leftOut ?? (notKept === null ? NONE_LEFT_OUT : undefined);

/** Counts the policies that are not kept, at the last frame of a report. */
const countNotKept = (record: ClusterRecord, report: Report, { named, left }: Kept): Pick<ClusterRecord, 'notKept' | 'leftOut'> => {
  const before = report.full ? NONE_LEFT_OUT : leftOutBefore(record);
  const leftOut = before && joinLeftOut(before, left);
  if (report.more) return { notKept: record.notKept, leftOut };
  const missing = Math.max(0, report.total.count - named.size);
  return missing > 0 && leftOut !== NONE_LEFT_OUT ? { notKept: missing, leftOut } : { notKept: null, leftOut: NONE_LEFT_OUT };
};

/** Returns the record of a cluster after a report, limited by the quota. */
export const recordReport = (record: ClusterRecord, report: Report, time: string, { quota, lists }: ReportContext): ClusterRecord => {
  const known = namedIn(record.policies);
  const { changes, left } = keepWithin(known, changesOf(known, report), quota);
  const taken = withReported(record, { baseline: report.baseline, changes }, time, lists);
  const named = namedIn(taken.policies);
  return {
    ...taken,
    divergedSince: hasDiverged(named, report.total) ? (record.divergedSince ?? time) : null,
    ...countNotKept(record, report, { named, left }),
    report: keepUnchanged(record.report, factsAfter(record.report, report)),
    reportedSeq: report.seq,
  };
};

/** Returns the record after more of the policy list of its baseline became known. */
export const relistPolicies = (record: ClusterRecord, time: string, { lists }: Pick<ReportContext, 'lists'>): ClusterRecord => {
  const { baseline, policies } = record;
  const list = baseline === null ? undefined : lists.get(baseline.list);
  if (list === undefined || list === listIn(record)) return record;
  return { ...record, policies: policiesOf(baseline, namedIn(policies), lists), policiesChanged: time };
};
