import type { PolicyReport } from '@fso/shared/api';
import type { CompiledPolicy } from '@fso/shared/compile';
import { isExpired } from '@fso/shared/residency';
import { weakMemo, weakMemo2 } from '@fso/shared/runtime';
import {
  type ClusterProfile,
  countExpired,
  expectedReport,
  governedNamespaces,
  isGlobPolicy,
  type ListedPolicy,
  listPolicy,
} from '@fso/shared/status';

const STATES = { governing: 0, missing: 4, expired: 8 } as const;

/** Encodes the parts of a profile on which an expected report depends as a number. */
const numberOf = ({ floor, gatekeeper }: ClusterProfile): number => (floor ? 1 : 0) + (gatekeeper ? 2 : 0);

/** Expected reports of one policy, by profile and state of the cluster. */
class ExpectedReports {
  readonly #policy: ListedPolicy;
  /**
   * Reports by the number of the state and of the profile. Building a string key would cost more
   * than the rest of a lookup.
   */
  readonly #known: (PolicyReport | undefined)[] = [];
  /**
   * Reports of a glob by the array of the cluster's namespaces. The array stays the same while a
   * cluster reports the same namespaces.
   */
  readonly #globs = new WeakMap<readonly string[], Map<string, PolicyReport>>();

  constructor(policy: ListedPolicy) {
    this.#policy = policy;
  }

  get(profile: ClusterProfile, state: keyof typeof STATES): PolicyReport {
    const at = STATES[state] + numberOf(profile);
    const known = this.#known[at];
    if (known !== undefined) return known;
    const namespaces = state === 'governing' ? [this.#policy.targetNamespace] : [];
    const report = expectedReport(this.#policy, profile, { isExpired: state === 'expired', namespaces });
    this.#known[at] = report;
    return report;
  }

  ofGlob(profile: ClusterProfile, names: readonly string[]): PolicyReport {
    const key = `${numberOf(profile)} ${profile.gatekeeperNamespace}`;
    const byProfile = this.#globs.get(names) ?? new Map<string, PolicyReport>();
    this.#globs.set(names, byProfile);
    const namespaces = governedNamespaces(this.#policy, names, profile);
    const report = byProfile.get(key) ?? expectedReport(this.#policy, profile, { isExpired: false, namespaces });
    byProfile.set(key, report);
    return report;
  }
}

/**
 * Expected reports of a policy. All lists with the policy share them, so an unchanged policy keeps
 * its report object.
 */
const expectedReports = weakMemo((policy: ListedPolicy) => new ExpectedReports(policy));

/** Known part of a list of which some policies are unknown. */
interface PartOfList {
  /** Number of policies of the whole list. */
  readonly size: number;
  /** Positions of the known policies in the whole list. */
  readonly bits: ReadonlyMap<string, number>;
}

/** State on which the expected report of a policy depends. */
export interface PolicyStanding {
  readonly profile: ClusterProfile;
  /** Milliseconds since 1970. */
  readonly asOf: number;
  /** Whether the policy governs no namespace. */
  readonly isMissing: boolean;
  /** Namespaces that globs match. */
  readonly namespaces: readonly string[];
}

/**
 * Policies that a commit gives to clusters, reduced to what their expected state depends on.
 * Immutable, except for `storedDepth`.
 */
export class PolicyList {
  /** Digest of the compiled policies, by which an agent names the list. */
  readonly digest: string;
  /** Policies sorted by name, without those that this hub does not know. */
  readonly policies: readonly ListedPolicy[];
  /** Whether this hub knows all policies of the list. */
  readonly isWhole: boolean;
  /**
   * Whether the list comes from an agent and no commit of this hub has it. Such a list is not
   * stored.
   */
  readonly isNamed: boolean;
  #storedDepth: number | undefined;
  readonly #places: ReadonlyMap<string, number>;
  readonly #bits: ReadonlyMap<string, number>;
  /** Expected reports of each policy, by its position. */
  readonly #expected: readonly ExpectedReports[];

  /** @param named known part of a list that an agent named; undefined: a whole list of a commit */
  constructor(digest: string, policies: readonly ListedPolicy[], named?: PartOfList) {
    this.digest = digest;
    this.policies = policies;
    this.isNamed = named !== undefined;
    this.isWhole = named === undefined || named.size === policies.length;
    this.#places = new Map(policies.map(({ name }, place) => [name, place]));
    this.#bits = named?.bits ?? this.#places;
    this.#expected = policies.map(expectedReports);
  }

  /**
   * Number of stored lists on which it builds; undefined: this process has neither written nor read
   * it.
   */
  get storedDepth(): number | undefined {
    return this.#storedDepth;
  }

  set storedDepth(depth: number | undefined) {
    this.#storedDepth = depth;
  }

  get(name: string): ListedPolicy | undefined {
    const place = this.#places.get(name);
    return place === undefined ? undefined : this.policies[place];
  }

  has(name: string): boolean {
    return this.#places.has(name);
  }

  /** Returns the position of a policy in the bitmap of a baseline; -1: not in the list. */
  bitOf(name: string): number {
    return this.#bits.get(name) ?? -1;
  }

  /**
   * Returns the report of a policy that is not reported by name. The same policy, profile, state
   * and namespace array give the same object.
   */
  reportOf(policy: ListedPolicy, { profile, asOf, isMissing, namespaces }: PolicyStanding): PolicyReport {
    // By position, as a lookup by identity would cost more than the rest.
    const expected = this.#expected[this.#places.get(policy.name) ?? -1] ?? expectedReports(policy);
    if (isExpired(policy.expiryDate, asOf)) return expected.get(profile, 'expired');
    if (isMissing) return expected.get(profile, 'missing');
    return isGlobPolicy(policy) ? expected.ofGlob(profile, namespaces) : expected.get(profile, 'governing');
  }

  /** Counts the policies that have expired. @param asOf RFC 3339 */
  countExpired(asOf: string): number {
    return countExpired(this.policies, Date.parse(asOf));
  }

  /** Whether any policy is a glob. */
  get hasGlobs(): boolean {
    return hasGlobs(this);
  }
}

const hasGlobs = weakMemo((list: PolicyList): boolean => list.policies.some(isGlobPolicy));

/**
 * Names of the policies that differ between two lists or are in only one, and whether the policies
 * of both lists have the same bits.
 */
export interface ListDifference {
  readonly names: readonly string[];
  readonly isInPlace: boolean;
}

/** Computes the difference between two lists. */
export const differenceOf = weakMemo2((before: PolicyList, after: PolicyList): ListDifference => {
  const names = [
    ...before.policies.filter(({ name }) => !after.has(name)),
    ...after.policies.filter((policy) => before.get(policy.name) !== policy),
  ].map(({ name }) => name);
  const isInPlace =
    before.policies.length === after.policies.length && before.policies.every(({ name }) => before.bitOf(name) === after.bitOf(name));
  return { names, isInPlace };
});

interface CommitList {
  /** Digest of `policies`; see digestOfPolicies of shared/compile. */
  readonly digest: string;
  readonly policies: readonly CompiledPolicy[];
  readonly revision: string;
  /** Returns one object for all equal entries. Default: the entry itself. */
  readonly intern?: (policy: ListedPolicy) => ListedPolicy;
}

/**
 * Creates the policy list that a commit gives to clusters. A policy that did not change keeps its
 * entry of the previous list, including the commit since which it is unchanged.
 */
export const listOf = (
  { digest, policies, revision, intern = (policy) => policy }: CommitList,
  before: PolicyList | undefined,
): PolicyList =>
  new PolicyList(
    digest,
    policies.map((policy) => {
      const known = before?.get(policy.name);
      return known?.digest === policy.digest ? known : intern(listPolicy(policy, revision));
    }),
  );

/** Name and digest of each policy of a list. */
export type ListedNames = readonly (readonly [name: string, digest: string])[];
