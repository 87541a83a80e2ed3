import { type PolicyReport, policyKey } from '@fso/shared/api';
import { changeDigest, digestOfReports, hashOfReport, type Report } from '@fso/shared/protocol';
import { weakMemo } from '@fso/shared/runtime';
import { type Changes, changePolicies } from './interning.ts';
import { keepWithin, noteChanges, type ReportQuota } from './quota/report-quota.ts';
import type { ClusterRecord, NotKept } from './types.ts';

type Policies = ClusterRecord['policies'];

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

const reportsAfter = (before: Policies, changes: Changes): PolicyReport[] => [
  ...[...before].filter(([key]) => !changes.has(key)).map(([, report]) => report),
  ...[...changes.values()].filter((report) => report !== undefined),
];

/** Once for each report; those of policies that conform are the same in many clusters. */
const hashOf = weakMemo(hashOfReport);

const digestAfter = ({ policies, reportedDigest }: ClusterRecord, changes: Changes): string => {
  const came = [...changes.values()].filter((policy) => policy !== undefined);
  return changeDigest(reportedDigest, came, found(policies, [...changes.keys()]), hashOf);
};

const withChanges = (record: ClusterRecord, changes: Changes, reportedDigest: string, time: string): ClusterRecord => {
  if (changes.size === 0) return { ...record, reportedDigest };
  const policies = changePolicies(record.policies, changes, reportedDigest);
  noteChanges(record.policies, changes, policies);
  return { ...record, policies, policiesChanged: time, reportedDigest };
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

/** The record of a cluster with what a report says, as far as the quota has room for it. */
export const takeReport = (record: ClusterRecord, report: Report, time: string, quota: ReportQuota): ClusterRecord => {
  const said = changesOf(record.policies, report);
  const { changes, notKept } = keepWithin(record.policies, said, quota);
  // From nothing where all is there, so that an error in it cannot stay.
  const digest =
    report.full && report.kept === undefined
      ? digestOfReports(reportsAfter(record.policies, changes), hashOf)
      : digestAfter(record, changes);
  const went = [...report.policies.map(policyKey).filter((key) => !notKept.has(key)), ...report.removed];
  return {
    ...withChanges(record, changes, digest, time),
    notKept: notKeptAfter(report.full ? null : record.notKept, { reason: 'quota', came: notKept, went }),
    report: report.cluster === undefined ? record.report : unlessSame(record.report, report.cluster),
    reportedSeq: report.seq,
  };
};

const NOTHING: Policies = new Map();

/** The record with the gravest of its policies that a quota has room for. */
export const trimPolicies = (record: ClusterRecord, quota: ReportQuota, time: string): ClusterRecord => {
  const { notKept } = keepWithin(NOTHING, record.policies, quota);
  if (notKept.size === 0) return record;
  const changes = new Map([...notKept].map((key) => [key, undefined]));
  const trimmed = withChanges(record, changes, digestAfter(record, changes), time);
  return { ...trimmed, notKept: notKeptAfter(record.notKept, { reason: 'memory', came: notKept, went: [] }) };
};
