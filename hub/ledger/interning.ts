import { isShortReport, type PolicyReport } from '@fso/shared/api';
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
  readonly base: Policies;
  /** undefined: the cluster does not have it. */
  readonly own: Own;

  constructor(base: Policies, own: Own, size: number) {
    this.base = base;
    this.own = own;
    this.size = size;
  }

  get(key: string): PolicyReport | undefined {
    return this.own.has(key) ? this.own.get(key) : this.base.get(key);
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  *entries(): MapIterator<[string, PolicyReport]> {
    for (const entry of this.base) if (!this.own.has(entry[0])) yield entry;
    for (const [key, report] of this.own) if (report !== undefined) yield [key, report];
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
  const shared = policies.size < MIN_SHARED || policies instanceof PoliciesOver ? policies : overOthers(policies);
  sets.set(digest, shared);
  return shared;
};

/** Policies of one cluster that came or read otherwise; undefined: they are gone. */
export type Changes = ReadonlyMap<string, PolicyReport | undefined>;

/** More changes at once are looked at with all the rest. */
const FEW = 8;
const NOTHING_OWN: Own = new Map();

/** What a map becomes where one policy reads as in a report. The first cluster that goes that way has it for itself, the others share it. */
interface Step {
  readonly key: string;
  /** Held by those that have it. */
  after: WeakRef<Policies> | undefined;
}
const steps = new WeakMap<Policies, WeakMap<PolicyReport, Step>>();

/** The map of those who say of one policy what many say; undefined: it is not the way of many yet. @param digest of that map, if it is known */
const sharedNext = (base: Policies, key: string, report: PolicyReport, digest: string | undefined): Policies | undefined => {
  if (!base.has(key) || !isShortReport(report)) return undefined;
  const known = steps.get(base) ?? new WeakMap<PolicyReport, Step>();
  steps.set(base, known);
  const step = known.get(report);
  if (step === undefined) known.set(report, { key, after: undefined });
  if (step?.key !== key) return undefined;
  const after = step.after?.deref() ?? makeNext(base, key, report, digest);
  step.after = new WeakRef(after);
  return after;
};

/** Others may have come to the same by another way. */
const makeNext = (base: Policies, key: string, report: PolicyReport, digest: string | undefined): Policies => {
  const made = new Map(base).set(key, report);
  const same = digest === undefined ? undefined : sets.get(digest);
  const next = same !== undefined && isSame(same, made) ? same : made;
  if (digest !== undefined) sets.set(digest, next);
  noteChange(base, next, [key]);
  if (next === made) toFront(made, -1);
  return next;
};

const sizeAfter = (before: Policies, key: string, report: PolicyReport | undefined): number =>
  before.size + Number(report !== undefined) - Number(before.has(key));

interface Change {
  readonly key: string;
  readonly report: PolicyReport | undefined;
  /** Of what comes out; undefined: it is not the last change. */
  readonly digest: string | undefined;
}

const changeOne = (before: Policies, change: Change): Policies => {
  const { key, report, digest } = change;
  const [base, own] = before instanceof PoliciesOver ? [before.base, before.own] : [before, NOTHING_OWN];
  const next = report === undefined || own.has(key) ? undefined : sharedNext(base, key, report, own.size === 0 ? digest : undefined);
  if (next === undefined) return changeOwn(before, base, own, change);
  return own.size === 0 ? next : new PoliciesOver(next, own, before.size);
};

const changeOwn = (before: Policies, base: Policies, own: Own, { key, report }: Change): Policies => {
  const changed = new Map(own);
  if (base.get(key) === report) changed.delete(key);
  else changed.set(key, report);
  return changed.size === 0 ? base : new PoliciesOver(base, changed, sizeAfter(before, key, report));
};

/** From which map one came, and by which policies. */
const origins = new WeakMap<Policies, { readonly before: WeakRef<Policies>; readonly keys: readonly string[] }>();
const STEPS = 8;

const noteChange = (before: Policies, after: Policies, keys: readonly string[]): void => {
  if (!origins.has(after)) origins.set(after, { before: new WeakRef(before), keys });
};

/** Keys of the steps that lead from one map to another; undefined: they are not known. */
const stepsBetween = (before: Policies, after: Policies): ReadonlySet<string> | undefined => {
  const keys = new Set<string>();
  let at: Policies | undefined = after;
  for (let step = 0; step < STEPS && at !== undefined && at !== before; step += 1) {
    const origin = origins.get(at);
    for (const key of origin?.keys ?? []) keys.add(key);
    at = origin?.before.deref();
  }
  return at === before ? keys : undefined;
};

/** Keys of the policies that read differently in two maps, by identity of their reports: at once where one came from the other by few. */
export const keysBetween = (before: Policies, after: Policies): readonly string[] => {
  const keys = stepsBetween(before, after) ?? new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => before.get(key) !== after.get(key));
};

/**
 * Policies of a cluster after changes: few cost as much as they are, whatever the number of the others. Clusters that go from the same to the
 * same share the result.
 *
 * @param digest of what comes out; see digestOfReports
 */
export const changePolicies = (before: Policies, changes: Changes, digest: string): Policies => {
  const after = before.size >= MIN_SHARED && changes.size <= FEW ? changeFew(before, changes, digest) : changeAll(before, changes, digest);
  noteChange(before, after, [...changes.keys()]);
  return after;
};

const changeFew = (before: Policies, changes: Changes, digest: string): Policies => {
  let after = before;
  let left = changes.size;
  for (const [key, report] of changes) {
    left -= 1;
    after = changeOne(after, { key, report, digest: left === 0 ? digest : undefined });
  }
  // What lies over a map must stay little.
  return after instanceof PoliciesOver && after.own.size > after.size / SHARE_OWN ? overOthers(new Map(after)) : after;
};

const changeAll = (before: Policies, changes: Changes, digest: string): Policies => {
  const merged = new Map(before);
  for (const [key, report] of changes) {
    if (report === undefined) merged.delete(key);
    else merged.set(key, report);
  }
  return internPolicies(digest, merged);
};
