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

/** Number of what a cluster has, as far as an expected report depends on it. */
const numberOf = ({ floor, gatekeeper }: ClusterProfile): number => (floor ? 1 : 0) + (gatekeeper ? 2 : 0);

/** Expected reports of a policy, by profile and state of the cluster. */
class ExpectedReports {
  readonly #policy: ListedPolicy;
  /**
   * Reports by number of the state and of the profile: a text as the key would cost more than all
   * the rest of a reading.
   */
  readonly #known: (PolicyReport | undefined)[] = [];
  /**
   * Reports of a glob by the namespaces of the cluster: the same array as long as a cluster names
   * the same ones.
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
 * Expected reports of a policy, shared by all lists that have it, so that a policy that did not
 * change reads as the same object.
 */
const expectedReports = weakMemo((policy: ListedPolicy) => new ExpectedReports(policy));

/** A list of which only some policies are known. */
interface PartOfList {
  /** Number of its policies. */
  readonly size: number;
  /** Places of the known ones. */
  readonly bits: ReadonlyMap<string, number>;
}

/** Standing of a policy, as its cluster reports it. */
export interface PolicyStanding {
  readonly profile: ClusterProfile;
  /** Milliseconds since 1970. */
  readonly asOf: number;
  /** Whether the policy governs no namespace. */
  readonly isMissing: boolean;
  /** Namespaces that globs mean. */
  readonly namespaces: readonly string[];
}

/**
 * List of policies that a commit gives clusters, as far as their expected state depends on it.
 * Immutable, but for how it is stored.
 */
export class PolicyList {
  /** Digest of the compiled policies, by which an agent names the list. */
  readonly digest: string;
  /** Policies sorted by name; those that this hub does not know are left out. */
  readonly policies: readonly ListedPolicy[];
  /** Whether this hub knows all its policies. */
  readonly isWhole: boolean;
  /** Whether an agent has named it, and no commit of this hub has it: it is not stored. */
  readonly isNamed: boolean;
  #storedDepth: number | undefined;
  readonly #places: ReadonlyMap<string, number>;
  readonly #bits: ReadonlyMap<string, number>;
  /** Expected reports of each policy, at its place. */
  readonly #expected: readonly ExpectedReports[];

  /** @param named absent: it is of a commit, and whole */
  constructor(digest: string, policies: readonly ListedPolicy[], named?: PartOfList) {
    this.digest = digest;
    this.policies = policies;
    this.isNamed = named !== undefined;
    this.isWhole = named === undefined || named.size === policies.length;
    this.#places = new Map(policies.map(({ name }, place) => [name, place]));
    this.#bits = named?.bits ?? this.#places;
    this.#expected = policies.map(expectedReports);
  }

  /** Number of stored lists below it; undefined: this process has not written or read it. */
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

  /** Place of a policy in the bitmap of a baseline; -1: the list does not have it. */
  bitOf(name: string): number {
    return this.#bits.get(name) ?? -1;
  }

  /**
   * The report of a policy of the list that is not reported by name. The same object for the same
   * policy, profile and state, and array of namespaces.
   */
  reportOf(policy: ListedPolicy, { profile, asOf, isMissing, namespaces }: PolicyStanding): PolicyReport {
    // By its place: to look it up by identity costs more than all the rest.
    const expected = this.#expected[this.#places.get(policy.name) ?? -1] ?? expectedReports(policy);
    if (isExpired(policy.expiryDate, asOf)) return expected.get(profile, 'expired');
    if (isMissing) return expected.get(profile, 'missing');
    return isGlobPolicy(policy) ? expected.ofGlob(profile, namespaces) : expected.get(profile, 'governing');
  }

  /** Number of its policies that have expired. @param asOf RFC 3339 */
  countExpired(asOf: string): number {
    return countExpired(this.policies, Date.parse(asOf));
  }

  /** Whether a glob is among the policies. */
  get hasGlobs(): boolean {
    return hasGlobs(this);
  }
}

const hasGlobs = weakMemo((list: PolicyList): boolean => list.policies.some(isGlobPolicy));

/**
 * Names of the policies that read differently in two lists, or are in one alone, and whether the
 * bits of all are the same.
 */
export interface ListDifference {
  readonly names: readonly string[];
  readonly isInPlace: boolean;
}

/** Computes which policies of a list differ from those of another. */
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
 * The list that a commit gives clusters. A policy that reads as in the list before keeps its entry,
 * and so the commit since which it reads like that.
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
