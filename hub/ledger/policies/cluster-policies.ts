import type { PolicyReport } from '@fso/shared/api';
import { memoByText, weakMemo } from '@fso/shared/runtime';
import {
  type Baseline,
  type ClusterProfile,
  type Deviation,
  decodeBitmap,
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
import { differenceOf, type PolicyList } from './policy-list.ts';

/** Reports of policies by key. */
export type Policies = ReadonlyMap<string, PolicyReport>;
/** Policies that a cluster reports by name, by key. */
export type NamedPolicies = ReadonlyMap<string, NamedPolicy>;

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
  readonly #missing: Uint8Array;

  constructor(list: PolicyList, baseline: Baseline, named: NamedPolicies, seen?: ReadonlySet<string>) {
    this.list = list;
    this.baseline = baseline;
    this.named = named;
    this.seen = seen;
    this.#asOf = Date.parse(baseline.asOf);
    this.#missing = decodeBitmap(baseline.missing);
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
    return hasBit(this.#missing, this.list.bitOf(name));
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
    this.named = named;
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
  if (before.named === after.named) return;
  yield* before.named.keys();
  yield* after.named.keys();
}

/**
 * Keys of the policies that read differently in two maps, by identity of their reports. Costs what
 * differs, and what is reported by name.
 */
export const keysBetween = (before: Policies, after: Policies): readonly string[] => {
  if (before === after) return [];
  return [...new Set(candidatesBetween(before, after))].filter((key) => before.get(key) !== after.get(key));
};
