import { isDeepStrictEqual } from 'node:util';
import { isNamespaceMissing, type PolicyReport, policyKey } from '@fso/shared/api';
import { type CompiledCluster, type CompiledPolicy, matchesNamespace } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import type { Report } from '@fso/shared/protocol';
import { isExpired } from '@fso/shared/residency';
import { weakMemo } from '@fso/shared/runtime';
import {
  type Baseline,
  type ClusterProfile,
  encodeBitmap,
  expectedReport,
  governedNamespaces,
  isGlobPolicy,
  type ListedPolicy,
  listPolicy,
} from '@fso/shared/status';
import { toSend } from '../../agent/report/index.ts';
import { baselineOf } from './baselines.ts';

/** A cluster without a control plane, as far as reports are about it. */
export interface ReportedCluster {
  /** The list that it has accepted. */
  readonly compiled: Pick<CompiledCluster, 'digest' | 'policies'>;
  /** Of each policy that it has, in full. */
  readonly reports: Iterable<PolicyReport>;
  /** Names of its namespaces. */
  readonly namespaces: readonly string[];
  readonly profile?: Partial<ClusterProfile>;
  readonly asOf: Date;
}

/** What an agent says of its cluster: the baseline, and what deviates from it or was applied in the cluster, by key. */
export interface StatusByName {
  readonly baseline: Baseline;
  readonly named: ReadonlyMap<string, PolicyReport>;
}

/** The commit since which a policy reads like that is no part of what is compared. */
const listed = weakMemo((policy: CompiledPolicy): ListedPolicy => listPolicy(policy, ''));

const withoutRevision = ({ revision: _revision, ...report }: PolicyReport): Omit<PolicyReport, 'revision'> => report;

const isMissing = (report: PolicyReport | undefined): boolean => report !== undefined && isNamespaceMissing(report);

/** @param report of a policy of the list, as it is sent */
const conforms = (policy: ListedPolicy, report: PolicyReport, { profile, asOf, namespaces }: Baseline): boolean => {
  const expected = expectedReport(policy, profile, {
    isExpired: isExpired(policy.expiryDate, Date.parse(asOf)),
    namespaces: isMissing(report) ? [] : governedNamespaces(policy, namespaces, profile),
  });
  return isDeepStrictEqual(withoutRevision(report), withoutRevision(expected));
};

/** The status of a cluster, by the rule that agents have. */
export const statusByName = ({ compiled, reports, namespaces, profile, asOf }: ReportedCluster): StatusByName => {
  const sent = new Map([...reports].map((report) => [policyKey(report), toSend(report)]));
  const policies = compiled.policies.map(listed);
  const globs = policies.filter(isGlobPolicy).map(({ targetNamespace }) => targetNamespace);
  const usual = baselineOf(compiled.digest);
  const baseline: Baseline = {
    ...usual,
    profile: { ...usual.profile, ...profile },
    asOf: asOf.toISOString(),
    missing: encodeBitmap(policies.length, (bit) => isMissing(sent.get(policies[bit]?.name ?? ''))),
    namespaces: namespaces.filter((name) => globs.some((glob) => matchesNamespace(glob, name))).toSorted(byText),
  };
  for (const policy of policies) {
    const report = sent.get(policy.name);
    if (report !== undefined && conforms(policy, report, baseline)) sent.delete(policy.name);
  }
  return { baseline, named: sent };
};

type Difference = Pick<Report, 'policies' | 'removed'>;

/** @returns what turns the policies that were sent by name into those of now */
export const differenceBetween = (before: ReadonlyMap<string, PolicyReport>, now: ReadonlyMap<string, PolicyReport>): Difference => ({
  policies: [...now].filter(([key, report]) => !isDeepStrictEqual(before.get(key), report)).map(([, report]) => report),
  removed: [...before.keys()].filter((key) => !now.has(key)),
});
