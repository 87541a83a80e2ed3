import type { PolicyReport } from '@fso/shared/api';
import { WeakValues } from '@fso/shared/runtime';
import type { ClusterRecord } from './types.ts';

type Policies = ClusterRecord['policies'];

/** Below it a map of its own costs little. */
const MIN_SHARED = 64;
/** What a cluster may have otherwise than the others with whom it shares a map: one in so many. */
const SHARE_OWN = 8;
/** Maps that clusters are compared with; the last used ones. */
const BASES_KEPT = 64;

/** The policies of a cluster that has most of them as others do: what is its own lies over a map that they share. */
class PoliciesOver implements ReadonlyMap<string, PolicyReport> {
  readonly size: number;
  readonly #base: Policies;
  /** undefined: the cluster does not have it. */
  readonly #own: Own;

  constructor(base: Policies, own: Own, size: number) {
    this.#base = base;
    this.#own = own;
    this.size = size;
  }

  get(key: string): PolicyReport | undefined {
    return this.#own.has(key) ? this.#own.get(key) : this.#base.get(key);
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  *entries(): MapIterator<[string, PolicyReport]> {
    for (const entry of this.#base) if (!this.#own.has(entry[0])) yield entry;
    for (const [key, report] of this.#own) if (report !== undefined) yield [key, report];
  }

  *keys(): MapIterator<string> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<PolicyReport> {
    for (const [, report] of this.entries()) yield report;
  }

  [Symbol.iterator](): MapIterator<[string, PolicyReport]> {
    return this.entries();
  }

  forEach(call: (report: PolicyReport, key: string, map: ReadonlyMap<string, PolicyReport>) => void): void {
    for (const [key, report] of this.entries()) call(report, key, this);
  }
}

type Own = ReadonlyMap<string, PolicyReport | undefined>;

/** Where policies are not as in a base; undefined: in more than so many places. */
const changesOf = (base: Policies, policies: Policies, most: number): Map<string, PolicyReport | undefined> | undefined => {
  const own = new Map<string, PolicyReport | undefined>();
  for (const [key, report] of policies) {
    if (base.get(key) === report) continue;
    own.set(key, report);
    if (own.size > most) return undefined;
  }
  return own;
};

/** What lies over a base to make these policies of it; undefined: more than is worth it. */
const ownOver = (base: Policies, policies: Policies): Own | undefined => {
  const most = Math.floor(policies.size / SHARE_OWN);
  const own = Math.abs(base.size - policies.size) > most ? undefined : changesOf(base, policies, most);
  if (own === undefined) return undefined;
  const come = [...own.keys()].filter((key) => !base.has(key)).length;
  // Else all of the base is here, as it is or otherwise.
  if (base.size + come !== policies.size) for (const key of base.keys()) if (!policies.has(key)) own.set(key, undefined);
  return own.size > most ? undefined : own;
};

/** By their digest. */
const sets = new WeakValues<Policies>();
/** The last used one first. */
const bases: Policies[] = [];

/** Not by the digest: a cluster could make up reports that have the digest of another one's. */
const isSame = (a: Policies, b: Policies): boolean => a.size === b.size && [...a].every(([key, report]) => b.get(key) === report);

const toFront = (base: Policies, at: number): void => {
  if (at >= 0) bases.splice(at, 1);
  bases.unshift(base);
  bases.splice(BASES_KEPT);
};

/** Over the map of others where little differs; else these policies are the map for those who come next. */
const overOthers = (policies: Policies): Policies => {
  for (const [at, base] of bases.entries()) {
    const own = ownOver(base, policies);
    if (own === undefined) continue;
    toFront(base, at);
    return own.size === 0 ? base : new PoliciesOver(base, own, policies.size);
  }
  toFront(policies, -1);
  return policies;
};

/**
 * @param digest see digestOfReports
 * @returns one map for all clusters with the same policies that say the same; where some differ, one that has only those by itself
 */
export const internPolicies = (digest: string, policies: Policies): Policies => {
  const known = sets.get(digest);
  if (known !== undefined && isSame(known, policies)) return known;
  const shared = policies.size < MIN_SHARED ? policies : overOthers(policies);
  sets.set(digest, shared);
  return shared;
};
