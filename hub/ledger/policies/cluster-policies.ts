import type { PolicyReport } from '@fso/shared/api';
import { memoByText, weakMemo } from '@fso/shared/runtime';
import {
  type Baseline,
  type ClusterProfile,
  type Deviation,
  describeReason,
  deviatingReport,
  expectedReport,
  hasBit,
  isSameBaseline,
  isWhole,
  type ListedPolicy,
  type NamedPolicy,
  textOfDeviation,
  unjudged,
} from '@fso/shared/status';
import { differenceOf, type ListDifference, type PolicyList } from './policy-list.ts';

/** Reports of policies by key. */
export type Policies = ReadonlyMap<string, PolicyReport>;
/** Policies that a cluster reports by name, by key. */
export type NamedPolicies = ReadonlyMap<string, NamedPolicy>;

const NO_NAMED: NamedPolicies = new Map();

/**
 * Reports of a cluster's policies: deviations by name, all others derived from the policy list and
 * the baseline. Immutable. Only the deviations take memory per cluster. A report is created on
 * reading, and all clusters where the policy has the same state share one object.
 */
export class ClusterPolicies implements Policies {
  readonly list: PolicyList;
  readonly baseline: Baseline;
  readonly named: NamedPolicies;
  /** Names of the policies that a scope shows; undefined: all. */
  readonly seen: ReadonlySet<string> | undefined;
  readonly size: number;
  readonly #asOf: number;

  constructor(list: PolicyList, baseline: Baseline, named: NamedPolicies, seen?: ReadonlySet<string>) {
    this.list = list;
    this.baseline = baseline;
    this.named = named.size === 0 ? NO_NAMED : named;
    this.seen = seen;
    this.#asOf = Date.parse(baseline.asOf);
    let size = seen?.size ?? list.policies.length;
    for (const key of named.keys()) if (!this.#isListed(key)) size += 1;
    this.size = size;
  }

  get(key: string): PolicyReport | undefined {
    const policy = this.#isSeen(key) ? this.list.get(key) : undefined;
    const named = this.named.get(key);
    if (named === undefined) return policy && this.#reportOf(policy);
    if (isWhole(named)) return named;
    return policy === undefined ? unlistedReport(key, named) : deviatingReport(this.#reportOf(policy, true), named);
  }

  has(key: string): boolean {
    return this.named.has(key) || this.#isListed(key);
  }

  /**
   * Key of the reports. Maps with the same list, seen names and key have the same reports;
   * undefined if the cluster has some of its own: deviations, or policies of globs.
   */
  get commonKey(): string | undefined {
    if (this.named.size > 0 || this.list.hasGlobs) return undefined;
    const { profile, asOf, missing } = this.baseline;
    return `${profile.floor} ${profile.gatekeeper} ${this.list.countExpired(asOf)} ${missing}`;
  }

  /** Whether a policy of the list governs no namespace, according to its bit. */
  isMissing(name: string): boolean {
    return hasBit(this.baseline.missing, this.list.bitOf(name));
  }

  *entries(): MapIterator<[string, PolicyReport]> {
    for (const policy of this.list.policies) {
      const { name } = policy;
      if (this.#isSeen(name)) yield [name, this.get(name) ?? this.#reportOf(policy)];
    }
    for (const key of this.named.keys()) {
      const report = this.#isListed(key) ? undefined : this.get(key);
      if (report !== undefined) yield [key, report];
    }
  }

  *keys(): MapIterator<string> {
    for (const { name } of this.list.policies) if (this.#isSeen(name)) yield name;
    for (const key of this.named.keys()) if (!this.#isListed(key)) yield key;
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

  #isSeen(name: string): boolean {
    return this.seen === undefined || this.seen.has(name);
  }

  #isListed(key: string): boolean {
    return this.list.has(key) && this.#isSeen(key);
  }

  /**
   * @param governs returns the report as if the policy governed namespaces, regardless of bits and
   * time
   */
  #reportOf(policy: ListedPolicy, governs = false): PolicyReport {
    const { profile, namespaces } = this.baseline;
    if (governs) return this.list.reportOf(policy, { profile, namespaces, asOf: 0, isMissing: false });
    return this.list.reportOf(policy, { profile, namespaces, asOf: this.#asOf, isMissing: this.isMissing(policy.name) });
  }
}

/** Placeholder for a policy that is in no known list; see isUnlisted. Its action denies nothing. */
const UNLISTED: Omit<ListedPolicy, 'name'> = {
  digest: '',
  since: '',
  targetNamespace: '',
  enforcementAction: 'dryrun',
  effectiveRegions: [],
  locks: { admission: true, gatekeeper: true, binding: true },
};
const ANY_PROFILE: ClusterProfile = { floor: true, gatekeeper: true, injection: true, gatekeeperNamespace: '' };

/** Returns the deviation of a policy with unknown requirements: its phase is Pending at best. */
const standingUnlisted = (deviation: Deviation): Deviation => (deviation.phase === 'Pending' ? deviation : unjudged(deviation, 'Unlisted'));

/**
 * Returns the report of a deviating policy that is in no known list. Its requirements are unknown,
 * so its phase is Pending at best.
 */
const unlistedReport = memoByText(
  (name: string, deviation: Deviation) => `${name} ${textOfDeviation(deviation)}`,
  (name, deviation): PolicyReport => {
    const { revision: _none, ...expected } = expectedReport({ ...UNLISTED, name }, ANY_PROFILE, { isExpired: false, namespaces: [] });
    return deviatingReport(expected, standingUnlisted(deviation));
  },
);

/**
 * Limits the phase of a hub policy to Pending at best, as it is unknown what the cluster should
 * have. Returns the same object for the same report.
 */
const atBestPending = weakMemo((report: PolicyReport): PolicyReport => {
  if (report.managedBy !== 'hub' || report.phase === 'Failed' || report.phase === 'Pending') return report;
  return { ...report, phase: 'Pending', message: describeReason('Unlisted') };
});

/**
 * Reports of a cluster that has no policy list, or an unknown one: only policies that are reported
 * by name.
 */
export class UnlistedPolicies extends Map<string, PolicyReport> {
  readonly named: NamedPolicies;

  constructor(named: NamedPolicies) {
    super([...named].map(([key, each]) => [key, isWhole(each) ? atBestPending(each) : unlistedReport(key, each)]));
    this.named = named.size === 0 ? NO_NAMED : named;
  }
}

/** Returns the policies that a cluster reports by name, as reported. */
export const namedIn = (policies: Policies): NamedPolicies =>
  policies instanceof ClusterPolicies || policies instanceof UnlistedPolicies ? policies.named : policies;

/** Counts the violations of all policies. Only policies that are reported by name can have any. */
export const countViolations = (policies: Policies): number => {
  let sum = 0;
  for (const { violations } of namedIn(policies).values()) sum += violations;
  return sum;
};

/**
 * Whether policies that are in both lists, have equal bits and are not reported by name have equal
 * reports in both maps.
 */
const isSameGround = (before: ClusterPolicies, after: ClusterPolicies): boolean => {
  const [a, b] = [before.baseline, after.baseline];
  return (
    before.seen === after.seen &&
    isSameBaseline(a, b, ['floor', 'gatekeeper']) &&
    before.list.countExpired(a.asOf) === before.list.countExpired(b.asOf) &&
    // Reports of globs are cached by this array, so an equal array is not enough.
    (!(before.list.hasGlobs || after.list.hasGlobs) || (isSameBaseline(a, b, ['gatekeeperNamespace']) && a.namespaces === b.namespaces))
  );
};

const NO_KEYS: readonly string[] = [];
const SAME_LIST: ListDifference = { names: NO_KEYS, isInPlace: true };

/** Returns the names of the policies in both lists whose bits differ. */
const bitsBetween = (before: ClusterPolicies, after: ClusterPolicies, isInPlace: boolean): readonly string[] => {
  if (before.baseline.missing === after.baseline.missing && (isInPlace || before.baseline.missing === '')) return NO_KEYS;
  return after.list.policies.flatMap(({ name }) =>
    before.list.has(name) && before.isMissing(name) !== after.isMissing(name) ? name : NO_KEYS,
  );
};

/** Adds the keys of policies that are reported by name in only one map, or differently. */
const addNamed = (keys: Set<string>, before: NamedPolicies, after: NamedPolicies): void => {
  if (before === after) return;
  for (const [key, named] of after) if (before.get(key) !== named) keys.add(key);
  for (const key of before.keys()) if (!after.has(key)) keys.add(key);
};

/** Returns the keys of all policies whose reports may differ between two maps. */
const candidatesBetween = (before: Policies, after: Policies): ReadonlySet<string> => {
  if (!(before instanceof ClusterPolicies && after instanceof ClusterPolicies && isSameGround(before, after)))
    return new Set([...before.keys(), ...after.keys()]);
  const { names, isInPlace } = before.list === after.list ? SAME_LIST : differenceOf(before.list, after.list);
  const keys = new Set(names);
  for (const name of bitsBetween(before, after, isInPlace)) keys.add(name);
  addNamed(keys, before.named, after.named);
  return keys;
};

/**
 * Returns the keys of the policies whose reports differ between two maps, by identity. The cost is
 * proportional to the differences and the number of policies reported by name.
 */
export const keysBetween = (before: Policies, after: Policies): readonly string[] => {
  if (before === after) return NO_KEYS;
  if (before.size === 0) return [...after.keys()];
  const keys: string[] = [];
  for (const key of candidatesBetween(before, after)) if (before.get(key) !== after.get(key)) keys.push(key);
  return keys;
};
