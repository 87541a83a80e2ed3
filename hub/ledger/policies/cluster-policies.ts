import type { PolicyReport } from '@fso/shared/api';
import { weakMemo, weakMemo2 } from '@fso/shared/runtime';
import { type Baseline, decodeBitmap, hasBit, isSameBaseline, type ListedPolicy } from '@fso/shared/status';
import { differenceOf, type PolicyList, reportOf } from './policy-list.ts';

export type Policies = ReadonlyMap<string, PolicyReport>;

/**
 * Reports of a cluster's policies: those that deviate by name, and every other one of its list as the baseline has it. Immutable. Only the
 * deviations take memory of their own: a report is made when it is read, and is the same object for all clusters in which the policy reads alike.
 */
export class ClusterPolicies implements Policies {
  readonly list: PolicyList;
  readonly baseline: Baseline;
  readonly deviations: Policies;
  /** Names of the policies of the list that are seen; undefined: all are. */
  readonly seen: ReadonlySet<string> | undefined;
  readonly size: number;
  readonly #asOf: number;
  readonly #missing: Uint8Array;

  constructor(list: PolicyList, baseline: Baseline, deviations: Policies, seen?: ReadonlySet<string>) {
    this.list = list;
    this.baseline = baseline;
    this.deviations = deviations;
    this.seen = seen;
    this.#asOf = Date.parse(baseline.asOf);
    this.#missing = decodeBitmap(baseline.missing);
    let size = seen?.size ?? list.policies.length;
    for (const key of deviations.keys()) if (!this.#isListed(key)) size += 1;
    this.size = size;
  }

  get(key: string): PolicyReport | undefined {
    const deviation = this.deviations.get(key);
    return deviation === undefined ? this.#expected(key) : this.#named(key, deviation);
  }

  has(key: string): boolean {
    return this.deviations.has(key) || this.#isListed(key);
  }

  /** Whether a policy of the list governs no namespace, by its bit. */
  isMissing(name: string): boolean {
    return hasBit(this.#missing, this.list.bitOf(name));
  }

  *entries(): MapIterator<[string, PolicyReport]> {
    for (const policy of this.list.policies) {
      const { name } = policy;
      if (this.#isSeen(name)) yield [name, this.get(name) ?? this.#reportOf(policy)];
    }
    for (const [key, report] of this.deviations) if (!this.#isListed(key)) yield [key, report];
  }

  *keys(): MapIterator<string> {
    for (const { name } of this.list.policies) if (this.#isSeen(name)) yield name;
    for (const key of this.deviations.keys()) if (!this.#isListed(key)) yield key;
  }

  *values(): MapIterator<PolicyReport> {
    for (const [, report] of this.entries()) yield report;
  }

  [Symbol.iterator](): MapIterator<[string, PolicyReport]> {
    return this.entries();
  }

  forEach(call: (report: PolicyReport, key: string, map: Policies) => void): void {
    for (const [key, report] of this.entries()) call(report, key, this);
  }

  /** A report by name, since the commit that the list says. */
  #named(key: string, deviation: PolicyReport): PolicyReport {
    const policy = this.list.get(key);
    return policy === undefined || deviation.revision === policy.since ? deviation : withSince(deviation, policy);
  }

  #isSeen(name: string): boolean {
    return this.seen === undefined || this.seen.has(name);
  }

  #isListed(key: string): boolean {
    return this.list.has(key) && this.#isSeen(key);
  }

  #expected(key: string): PolicyReport | undefined {
    const policy = this.list.get(key);
    return policy === undefined || !this.#isSeen(key) ? undefined : this.#reportOf(policy);
  }

  #reportOf(policy: ListedPolicy): PolicyReport {
    const { profile, namespaces } = this.baseline;
    return reportOf(policy, { profile, namespaces, asOf: this.#asOf, isMissing: this.isMissing(policy.name) });
  }
}

/** The phase of a policy of the hub is at best Pending where what the cluster should have is unknown. */
const atBestPending = weakMemo((report: PolicyReport): PolicyReport => {
  if (report.managedBy !== 'hub' || report.phase === 'Failed' || report.phase === 'Pending') return report;
  return { ...report, phase: 'Pending', message: 'the hub does not know the list of policies that this cluster has' };
});

/** Reports of a cluster whose list is not known, or that has none: those that it makes by name, and nothing of the others. */
export class UnlistedPolicies extends Map<string, PolicyReport> {
  readonly deviations: Policies;

  constructor(deviations: Policies) {
    super([...deviations].map(([key, report]) => [key, atBestPending(report)]));
    this.deviations = deviations;
  }
}

/** Sets the commit since which a policy reads as it does; once for each report, so that one that says the same stays the same object. */
const withSince = weakMemo2((deviation: PolicyReport, { since }: ListedPolicy): PolicyReport => ({ ...deviation, revision: since }));

/** The policies that a cluster reports by name, as it reports them. */
export const deviationsOf = (policies: Policies): Policies =>
  policies instanceof ClusterPolicies || policies instanceof UnlistedPolicies ? policies.deviations : policies;

/** Whether all that is not missing reads the same in two baselines of lists of which only some policies differ. */
const isSameGround = (before: ClusterPolicies, after: ClusterPolicies): boolean => {
  const [a, b] = [before.baseline, after.baseline];
  return (
    before.seen === after.seen &&
    isSameBaseline(a, b, ['floor', 'gatekeeper']) &&
    before.list.countExpired(a.asOf) === before.list.countExpired(b.asOf) &&
    // Reports of a glob are the same objects for the same array.
    (!(before.list.hasGlobs || after.list.hasGlobs) || (isSameBaseline(a, b, ['gatekeeperNamespace']) && a.namespaces === b.namespaces))
  );
};

/** Names of the policies of both lists whose bits differ. */
function* bitsBetween(before: ClusterPolicies, after: ClusterPolicies, isInPlace: boolean): Generator<string> {
  if (before.baseline.missing === after.baseline.missing && (isInPlace || before.baseline.missing === '')) return;
  for (const { name } of after.list.policies) if (before.list.has(name) && before.isMissing(name) !== after.isMissing(name)) yield name;
}

function* candidatesBetween(before: Policies, after: Policies): Generator<string> {
  if (!(before instanceof ClusterPolicies && after instanceof ClusterPolicies && isSameGround(before, after))) {
    yield* before.keys();
    yield* after.keys();
    return;
  }
  const { names, isInPlace } = before.list === after.list ? { names: [], isInPlace: true } : differenceOf(before.list, after.list);
  yield* names;
  yield* bitsBetween(before, after, isInPlace);
  if (before.deviations === after.deviations) return;
  yield* before.deviations.keys();
  yield* after.deviations.keys();
}

/** Keys of the policies that read differently in two maps, by identity of their reports. Costs what differs, and the deviations. */
export const keysBetween = (before: Policies, after: Policies): readonly string[] => {
  if (before === after) return [];
  return [...new Set(candidatesBetween(before, after))].filter((key) => before.get(key) !== after.get(key));
};
