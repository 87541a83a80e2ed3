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
 * Keeps the object of a value that reads as before.
 *
 * @returns `before` where both say the same, in the order of their fields as well: digests depend
 * on it
 */
export const keepUnchanged = <T>(before: T | undefined, now: T): T =>
  before !== now && before !== undefined && JSON.stringify(before) === JSON.stringify(now) ? before : now;

/**
 * Collects the policies of a report, by key; undefined: the policy is gone. A policy that it does
 * not mention stays, unless the report is a full one.
 */
const saidOf = (known: NamedPolicies, report: Report): Changes => {
  const said = new Map<string, NamedPolicy | undefined>(report.full ? [...known.keys()].map((key) => [key, undefined]) : []);
  for (const [key, deviation] of deviationsIn(report.deviations)) said.set(key, deviation);
  for (const policy of report.policies) said.set(policyKey(policy), policy);
  for (const key of report.removed) said.set(key, undefined);
  return said;
};

/** Leaves out policies that did not change. An equal report stays the same object. */
const changesOf = (known: NamedPolicies, report: Report): Changes => {
  const changes = new Map<string, NamedPolicy | undefined>();
  for (const [key, named] of saidOf(known, report)) {
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

/** Lists of policies that the ledger has, by digest. */
export interface KnownLists {
  get(digest: string): PolicyList | undefined;
}

/** The policies of a cluster. */
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
 * Whether nothing reads otherwise by another baseline: only its time moved, and nothing has
 * expired.
 */
const readsAlike = (record: ClusterRecord, next: Baseline | null, lists: KnownLists): boolean => {
  const { baseline } = record;
  if (!isSameBaseline(baseline, next)) return false;
  if (baseline === null || next === null) return true;
  const list = listIn(record);
  if (list !== lists.get(next.list)) return false;
  // Of what is not known yet it is not known either whether it has expired meanwhile.
  return list?.isWhole === true ? list.countExpired(baseline.asOf) === list.countExpired(next.asOf) : baseline.asOf === next.asOf;
};

const PROFILE = ['floor', 'gatekeeper', 'injection', 'gatekeeperNamespace'] as const;

/**
 * The baseline with the parts of the one before that are the same: what reads by its namespaces is
 * the same object then, and nothing new has to be kept.
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

/** Input of recordReport beside the record: the quota for reports, and the known policy lists. */
export interface ReportContext {
  readonly quota: ReportQuota;
  readonly lists: KnownLists;
}

interface Digests {
  /** Digest of the policies of the hub that are reported by name. */
  readonly root: string;
  /** Digest of the others. */
  readonly local: string;
  /** Policies that were applied in the cluster under the key of one of the hub. */
  readonly disguised: number;
}

const NO_DIGESTS: Digests = { root: EMPTY_DIGEST, local: EMPTY_DIGEST, disguised: 0 };

/**
 * Digests of the policies reported by name. Each is computed from the one before, so the cost of a
 * change is proportional to its size.
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

/** Notes the digests of what policies became by changes. */
const noteDigests = (before: NamedPolicies, changes: Changes, after: NamedPolicies): void => {
  digests.note(after, changeDigests(digests.get(before), found(after, changes.keys()), found(before, changes.keys())));
};

/** Digest of all that a cluster has reported by name, as far as it is kept. */
export const reportedDigest = ({ policies }: Pick<ClusterRecord, 'policies'>): string => {
  const { root, local } = digests.get(namedIn(policies));
  return joinDigests(root, local);
};

/**
 * Whether the policies of the hub that deviate are not those that the agent has reported: one of
 * its reports was lost, or is not kept. One that was applied in the cluster must not stand for one
 * of the hub either.
 */
const hasDiverged = (named: NamedPolicies, said: Report['total']): boolean => {
  const { root, disguised } = digests.get(named);
  return root !== said.root || disguised > 0;
};

interface Kept {
  readonly named: NamedPolicies;
  /** Policies that were reported or kept before, and are now left out. */
  readonly left: readonly NamedPolicy[];
}

/**
 * Returns the smallest sizes left out of a record; undefined: policies were left out, and their
 * sizes are not known.
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

/**
 * Returns the record of a cluster with the content of a report, as far as the quota has room for
 * it.
 */
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

/** The record with what its baseline means, where more of the list is known than before. */
export const relistPolicies = (record: ClusterRecord, time: string, { lists }: Pick<ReportContext, 'lists'>): ClusterRecord => {
  const { baseline, policies } = record;
  const list = baseline === null ? undefined : lists.get(baseline.list);
  if (list === undefined || list === listIn(record)) return record;
  return { ...record, policies: policiesOf(baseline, namedIn(policies), lists), policiesChanged: time };
};
