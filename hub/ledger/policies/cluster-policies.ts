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
 * Reports of a cluster's policies: those that deviate by name, and every other one of its list as
 * the baseline has it. Immutable. Only which ones deviate takes memory of its own: a report is made
 * when it is read, and is the same object for all clusters in which the policy reads alike.
 */
export class ClusterPolicies implements Policies {
  readonly list: PolicyList;
  readonly baseline: Baseline;
  readonly named: NamedPolicies;
  /** Names of the policies of the list that are seen; undefined: all are. */
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

  /** Whether a policy of the list governs no namespace, by its bit. */
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

  /** @param governs as if it governed, whatever bits and time say */
  #reportOf(policy: ListedPolicy, governs = false): PolicyReport {
    const { profile, namespaces } = this.baseline;
    if (governs) return this.list.reportOf(policy, { profile, namespaces, asOf: 0, isMissing: false });
    return this.list.reportOf(policy, { profile, namespaces, asOf: this.#asOf, isMissing: this.isMissing(policy.name) });
  }
}

/** Placeholder for a policy that no known list has; see isUnlisted. Its action refuses nothing. */
const UNLISTED: Omit<ListedPolicy, 'name'> = {
  digest: '',
  since: '',
  targetNamespace: '',
  enforcementAction: 'dryrun',
  effectiveRegions: [],
  locks: { admission: true, gatekeeper: true, binding: true },
};
const ANY_PROFILE: ClusterProfile = { floor: true, gatekeeper: true, injection: true, gatekeeperNamespace: '' };

/** Returns the deviation of a policy whose requirements are not known: at best Pending. */
const standingUnlisted = (deviation: Deviation): Deviation => (deviation.phase === 'Pending' ? deviation : unjudged(deviation, 'Unlisted'));

/**
 * Returns the report of a policy that deviates and is in no known list: at best Pending, as its
 * requirements are not known.
 */
const unlistedReport = memoByText(
  (name: string, deviation: Deviation) => `${name} ${textOfDeviation(deviation)}`,
  (name, deviation): PolicyReport => {
    const { revision: _none, ...expected } = expectedReport({ ...UNLISTED, name }, ANY_PROFILE, { isExpired: false, namespaces: [] });
    return deviatingReport(expected, standingUnlisted(deviation));
  },
);

/**
 * The phase of a policy of the hub is at best Pending where what the cluster should have is
 * unknown. The same object for the same report.
 */
const atBestPending = weakMemo((report: PolicyReport): PolicyReport => {
  if (report.managedBy !== 'hub' || report.phase === 'Failed' || report.phase === 'Pending') return report;
  return { ...report, phase: 'Pending', message: describeReason('Unlisted') };
});

/**
 * Reports of a cluster whose list is not known, or that has none: those that it makes by name, and
 * nothing of the others.
 */
export class UnlistedPolicies extends Map<string, PolicyReport> {
  readonly named: NamedPolicies;

  constructor(named: NamedPolicies) {
    super([...named].map(([key, each]) => [key, isWhole(each) ? atBestPending(each) : unlistedReport(key, each)]));
    this.named = named.size === 0 ? NO_NAMED : named;
  }
}

/** The policies that a cluster reports by name, as it reports them. */
export const namedIn = (policies: Policies): NamedPolicies =>
  policies instanceof ClusterPolicies || policies instanceof UnlistedPolicies ? policies.named : policies;

/** Counts the violations of all policies. Only those that are reported by name have some. */
export const countViolations = (policies: Policies): number => {
  let sum = 0;
  for (const { violations } of namedIn(policies).values()) sum += violations;
  return sum;
};

/**
 * Whether all that is not missing reads the same in two baselines of lists of which only some
 * policies differ.
 */
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

const NO_KEYS: readonly string[] = [];
const SAME_LIST: ListDifference = { names: NO_KEYS, isInPlace: true };

/** Names of the policies of both lists whose bits differ. */
const bitsBetween = (before: ClusterPolicies, after: ClusterPolicies, isInPlace: boolean): readonly string[] => {
  if (before.baseline.missing === after.baseline.missing && (isInPlace || before.baseline.missing === '')) return NO_KEYS;
  return after.list.policies.flatMap(({ name }) =>
    before.list.has(name) && before.isMissing(name) !== after.isMissing(name) ? name : NO_KEYS,
  );
};

/** Adds the keys of what is reported otherwise by name in two maps, of which all else is alike. */
const addNamed = (keys: Set<string>, before: NamedPolicies, after: NamedPolicies): void => {
  if (before === after) return;
  for (const [key, named] of after) if (before.get(key) !== named) keys.add(key);
  for (const key of before.keys()) if (!after.has(key)) keys.add(key);
};

/** Keys of all policies that may read differently in two maps. */
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
 * Keys of the policies that read differently in two maps, by identity of their reports. Costs what
 * differs, and one comparison for each policy that is reported by name.
 */
export const keysBetween = (before: Policies, after: Policies): readonly string[] => {
  if (before === after) return NO_KEYS;
  const keys: string[] = [];
  for (const key of candidatesBetween(before, after)) if (before.get(key) !== after.get(key)) keys.push(key);
  return keys;
};
