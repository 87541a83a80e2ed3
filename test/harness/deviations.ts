import { isDeepStrictEqual } from 'node:util';
import { type AgentClusterReport, isNamespaceMissing, MAX_NAMED_RISKS, MAX_SAMPLES, type PolicyReport, policyKey } from '@fso/shared/api';
import { type CompiledCluster, type CompiledPolicy, matchesNamespace } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import type { Report } from '@fso/shared/protocol';
import { isExpired } from '@fso/shared/residency';
import { weakMemo } from '@fso/shared/runtime';
import {
  type Baseline,
  type ClusterProfile,
  deviationFrom,
  encodeBitmap,
  expectedReport,
  governedNamespaces,
  groupDeviations,
  isGlobPolicy,
  isWhole,
  type ListedPolicy,
  listPolicy,
  type NamedPolicy,
  unjudged,
} from '@fso/shared/status';
import { baselineOf } from './baselines.ts';

/** Cluster without a control plane, reduced to the facts that reports contain. */
export interface ReportedCluster {
  /** List of policies that it has accepted. */
  readonly compiled: Pick<CompiledCluster, 'digest' | 'policies'>;
  /** Full reports of each policy in the cluster. */
  readonly reports: Iterable<PolicyReport>;
  /** Names of its namespaces. */
  readonly namespaces: readonly string[];
  readonly profile?: Partial<ClusterProfile>;
  readonly asOf: Date;
}

/**
 * Report of an agent about its cluster: the baseline, and by key the policies that deviate from it
 * or were applied in the cluster.
 */
export interface StatusByName {
  readonly baseline: Baseline;
  readonly named: ReadonlyMap<string, NamedPolicy>;
  /** First violations of policies of the list. */
  readonly violationSamples: NonNullable<AgentClusterReport['violationSamples']>;
  /** First owners at risk under policies of the list. */
  readonly riskSamples: NonNullable<AgentClusterReport['riskSamples']>;
}

/** Lists a policy without the commit that introduced its content, which is not compared. */
const listed = weakMemo((policy: CompiledPolicy): ListedPolicy => listPolicy(policy, ''));

/** @param report report of a policy of the list */
const deviationOf = (policy: ListedPolicy, report: PolicyReport, { profile, asOf, namespaces }: Baseline) => {
  const standing = {
    isExpired: isExpired(policy.expiryDate, Date.parse(asOf)),
    namespaces: isNamespaceMissing(report) ? [] : governedNamespaces(policy, namespaces, profile),
  };
  return deviationFrom(expectedReport(policy, profile, standing), report);
};

/** Returns the status of a cluster, by the same rule as agents. */
export const statusByName = ({ compiled, reports, namespaces, profile, asOf }: ReportedCluster): StatusByName => {
  const seen = new Map([...reports].map((report) => [policyKey(report), report]));
  const policies = compiled.policies.map(listed);
  const globs = policies.filter(isGlobPolicy).map(({ targetNamespace }) => targetNamespace);
  const usual = baselineOf(compiled.digest);
  const baseline: Baseline = {
    ...usual,
    profile: { ...usual.profile, ...profile },
    asOf: asOf.toISOString(),
    missing: '',
    namespaces: namespaces.filter((name) => globs.some((glob) => matchesNamespace(glob, name))).toSorted(byText),
  };
  const named = new Map<string, NamedPolicy>(seen);
  const missing = policies.map((policy) => {
    const report = seen.get(policy.name);
    named.delete(policy.name);
    const deviation = report === undefined ? unjudged(undefined, 'Absent') : deviationOf(policy, report, baseline);
    if (deviation !== undefined) named.set(policy.name, deviation);
    return deviation === undefined && report !== undefined && isNamespaceMissing(report);
  });
  const ofList = [...named].flatMap(([policy, each]) => (isWhole(each) ? [] : [{ policy, report: seen.get(policy) }]));
  const samples = ofList.flatMap(({ policy, report }) => (report?.violationSamples ?? []).map((sample) => ({ ...sample, policy })));
  const risks = ofList.flatMap(({ policy, report }) => (report?.risks?.named ?? []).map((risk) => ({ ...risk, policy })));
  const bits = encodeBitmap(policies.length, (bit) => missing[bit] === true);
  return {
    baseline: { ...baseline, missing: bits },
    named,
    violationSamples: samples.slice(0, MAX_SAMPLES),
    riskSamples: risks.slice(0, MAX_NAMED_RISKS),
  };
};

type Difference = Pick<Report, 'deviations' | 'policies' | 'removed'>;

/** @returns the changes from the policies that were sent by name to the current ones */
export const differenceBetween = (before: ReadonlyMap<string, NamedPolicy>, now: ReadonlyMap<string, NamedPolicy>): Difference => {
  const changed = [...now].filter(([key, named]) => !isDeepStrictEqual(before.get(key), named));
  return {
    deviations: groupDeviations(changed),
    policies: changed.map(([, named]) => named).filter(isWhole),
    removed: [...before.keys()].filter((key) => !now.has(key)),
  };
};
