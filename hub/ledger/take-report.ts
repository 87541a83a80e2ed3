import { type PolicyReport, policyKey } from '@fso/shared/api';
import { changeDigest, digestOfReports, EMPTY_DIGEST, hashOfReport, type Report } from '@fso/shared/protocol';
import { sameItems, weakMemo } from '@fso/shared/runtime';
import { type Baseline, isSameBaseline } from '@fso/shared/status';
import { ClusterPolicies, deviationsOf, listIn, type Policies, type PolicyList, UnlistedPolicies } from './policies/index.ts';
import { type Changes, keepWithin, noteChanges, type ReportQuota } from './quota/report-quota.ts';
import type { ClusterRecord, NotKept } from './types.ts';

/** @returns `before` where both say the same, in the order of their fields as well: digests depend on it */
export const unlessSame = <T>(before: T | undefined, now: T): T =>
  before !== now && before !== undefined && JSON.stringify(before) === JSON.stringify(now) ? before : now;

/** Collects what a report says of policies, by key; undefined: the policy is gone. A policy that it does not mention stays, unless the report is a full one. */
const saidOf = (known: Policies, report: Report): Changes => {
  const said = new Map<string, PolicyReport | undefined>(report.full ? [...known.keys()].map((key) => [key, undefined]) : []);
  for (const policy of report.policies) said.set(policyKey(policy), policy);
  for (const key of report.removed) said.set(key, undefined);
  return said;
};

/** Leaves out what is so already. A report that says the same stays the same object. */
const changesOf = (known: Policies, report: Report): Changes => {
  const changes = new Map<string, PolicyReport | undefined>();
  for (const [key, policy] of saidOf(known, report)) {
    const before = known.get(key);
    const now = policy && unlessSame(before, policy);
    if (now !== before) changes.set(key, now);
  }
  return changes;
};

const found = (policies: Policies, keys: readonly string[]): PolicyReport[] => keys.flatMap((key) => policies.get(key) ?? []);

const reportsAfter = (before: Policies, changes: Changes): readonly PolicyReport[] => [
  ...[...before].filter(([key]) => !changes.has(key)).map(([, report]) => report),
  ...[...changes.values()].filter((report) => report !== undefined),
];

/** Returns the hash of a report, made once for each. */
const hashOf = weakMemo(hashOfReport);

const digestAfter = ({ policies, reportedDigest }: ClusterRecord, changes: Changes): string => {
  const came = [...changes.values()].filter((policy) => policy !== undefined);
  return changeDigest(reportedDigest, came, found(deviationsOf(policies), [...changes.keys()]), hashOf);
};

/** Lists by digest. */
export interface KnownLists {
  get(digest: string): PolicyList | undefined;
}

/** The policies of a cluster. */
export const policiesOf = (baseline: Baseline | null, deviations: Policies, lists: KnownLists): Policies => {
  const list = baseline === null ? undefined : lists.get(baseline.list);
  return list === undefined || baseline === null ? new UnlistedPolicies(deviations) : new ClusterPolicies(list, baseline, deviations);
};

const deviationsAfter = (before: Policies, changes: Changes): Policies => {
  if (changes.size === 0) return before;
  const after = new Map(before);
  for (const [key, report] of changes) {
    if (report === undefined) after.delete(key);
    else after.set(key, report);
  }
  noteChanges(before, changes, after);
  noteRoot(before, changes, after);
  return after;
};

/** Whether nothing reads otherwise by another baseline: only its time moved, and nothing has expired. */
const readsAlike = (record: ClusterRecord, next: Baseline | null, lists: KnownLists): boolean => {
  const { baseline } = record;
  if (!isSameBaseline(baseline, next)) return false;
  if (baseline === null || next === null) return true;
  const list = listIn(record);
  if (list !== lists.get(next.list)) return false;
  // Of what is not known yet it is not known either whether it has expired meanwhile.
  return list?.isWhole === true ? list.countExpired(baseline.asOf) === list.countExpired(next.asOf) : baseline.asOf === next.asOf;
};

/** The baseline with the namespaces of the one before, where they are the same: what reads by them is the same object then. */
const withNamespacesOf = (before: Baseline | null, next: Baseline | null): Baseline | null =>
  before !== null && next !== null && sameItems(before.namespaces, next.namespaces) ? { ...next, namespaces: before.namespaces } : next;

interface Reported {
  readonly baseline: Baseline | null;
  readonly changes: Changes;
}

const withReported = (record: ClusterRecord, { baseline, changes }: Reported, time: string, lists: KnownLists): ClusterRecord => {
  if (changes.size === 0 && readsAlike(record, baseline, lists)) return record;
  const deviations = deviationsAfter(deviationsOf(record.policies), changes);
  const next = withNamespacesOf(record.baseline, baseline);
  return { ...record, baseline: next, policies: policiesOf(next, deviations, lists), policiesChanged: time };
};

/** Keys that are remembered of policies that are not kept: beyond them it is not known how many there are. In no quota, so that they are few. */
const MAX_NOT_KEPT = 1_000;

interface NotKeptChange {
  readonly reason: NotKept['reason'];
  /** Keys. */
  readonly came: ReadonlySet<string>;
  /** Keys of policies that are kept by now, or are gone. */
  readonly went: readonly string[];
}

const NO_KEYS: ReadonlySet<string> = new Set();

const changeKeys = (known: ReadonlySet<string>, gone: readonly string[], came: ReadonlySet<string>): ReadonlySet<string> => {
  const keys = new Set(known);
  for (const key of gone) keys.delete(key);
  for (const key of came) if (keys.size < MAX_NOT_KEPT) keys.add(key);
  return keys;
};

const notKeptAfter = (before: NotKept | null, { reason, came, went }: NotKeptChange): NotKept | null => {
  const { keys: known, reason: first } = before ?? { keys: NO_KEYS, reason };
  // What this process does not know the next full report tells.
  if (known === undefined) return before;
  // Of those that are not remembered nobody knows when they go.
  const gone = known.size < MAX_NOT_KEPT ? went.filter((key) => known.has(key)) : [];
  if (came.size === 0 && gone.length === 0) return before;
  const keys = changeKeys(known, gone, came);
  return keys.size === 0 ? null : { policies: keys.size, reason: came.size > 0 ? reason : first, keys };
};

/** Knowledge of a ledger beside the record of a cluster. */
export interface ReportContext {
  readonly quota: ReportQuota;
  readonly lists: KnownLists;
}

interface Root {
  /** Number of policies of the hub; `root` is their digest. */
  readonly count: number;
  readonly root: string;
  /** Policies that were applied in the cluster under the key of one of the hub. */
  readonly disguised: number;
}

const NO_ROOT: Root = { count: 0, root: EMPTY_DIGEST, disguised: 0 };

/** Roots of the policies that were reported by name; each follows from the one before, so that a change costs what changed. */
const roots = new WeakMap<Policies, Root>();

const changeRoot = ({ count, root, disguised }: Root, came: readonly PolicyReport[], went: readonly PolicyReport[]): Root => {
  const ofHub = (reports: readonly PolicyReport[]) => reports.filter(({ managedBy }) => managedBy === 'hub');
  const others = (reports: readonly PolicyReport[]) =>
    reports.filter((report) => report.managedBy !== 'hub' && !policyKey(report).includes('/')).length;
  const [coming, going] = [ofHub(came), ofHub(went)];
  return {
    count: count + coming.length - going.length,
    root: changeDigest(root, coming, going, hashOf),
    disguised: disguised + others(came) - others(went),
  };
};

const rootOf = (deviations: Policies): Root => {
  const known = roots.get(deviations) ?? changeRoot(NO_ROOT, [...deviations.values()], []);
  roots.set(deviations, known);
  return known;
};

/** Notes the root of what policies became by changes. */
const noteRoot = (before: Policies, changes: Changes, after: Policies): void => {
  const keys = [...changes.keys()];
  roots.set(after, changeRoot(rootOf(before), found(after, keys), found(before, keys)));
};

/**
 * Whether the policies of the hub that deviate are not those that the agent has reported: one of its reports was lost, or is not kept. One that was
 * applied in the cluster must not stand for one of the hub either.
 */
const hasDiverged = (deviations: Policies, said: Report['deviations']): boolean => {
  const { count, root, disguised } = rootOf(deviations);
  return count !== said.count || root !== said.root || disguised > 0;
};

/** The record of a cluster with what a report says, as far as the quota has room for it. */
export const takeReport = (record: ClusterRecord, report: Report, time: string, { quota, lists }: ReportContext): ClusterRecord => {
  const known = deviationsOf(record.policies);
  const { changes, notKept } = keepWithin(known, changesOf(known, report), quota);
  // From nothing where all is there, so that an error in it cannot stay.
  const reportedDigest = report.full ? digestOfReports(reportsAfter(known, changes), hashOf) : digestAfter(record, changes);
  const went = [...report.policies.map(policyKey).filter((key) => !notKept.has(key)), ...report.removed];
  const taken = withReported(record, { baseline: report.baseline, changes }, time, lists);
  return {
    ...taken,
    reportedDigest,
    divergedSince: hasDiverged(deviationsOf(taken.policies), report.deviations) ? (record.divergedSince ?? time) : null,
    notKept: notKeptAfter(report.full ? null : record.notKept, { reason: 'quota', came: notKept, went }),
    report: report.cluster === undefined ? record.report : unlessSame(record.report, report.cluster),
    reportedSeq: report.seq,
  };
};

const NOTHING: Policies = new Map();

/** The record with the gravest of its policies that a quota has room for. */
export const trimPolicies = (record: ClusterRecord, time: string, { quota, lists }: ReportContext): ClusterRecord => {
  const { notKept } = keepWithin(NOTHING, deviationsOf(record.policies), quota);
  if (notKept.size === 0) return record;
  const changes = new Map([...notKept].map((key) => [key, undefined]));
  const { baseline } = record;
  const isHubKey = (key: string): boolean => record.policies.get(key)?.managedBy === 'hub';
  return {
    ...withReported(record, { baseline, changes }, time, lists),
    reportedDigest: digestAfter(record, changes),
    divergedSince: [...notKept].some((key) => isHubKey(key)) ? (record.divergedSince ?? time) : record.divergedSince,
    notKept: notKeptAfter(record.notKept, { reason: 'memory', came: notKept, went: [] }),
  };
};

/** The record with what its baseline means, where more of the list is known than before. */
export const relistPolicies = (record: ClusterRecord, time: string, { lists }: Pick<ReportContext, 'lists'>): ClusterRecord => {
  const { baseline, policies } = record;
  const list = baseline === null ? undefined : lists.get(baseline.list);
  if (list === undefined || list === listIn(record)) return record;
  return { ...record, policies: policiesOf(baseline, deviationsOf(policies), lists), policiesChanged: time };
};
