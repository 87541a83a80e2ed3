import type { Reading } from './catalog-index.ts';

/** Days (UTC) between which something applies; an absent one leaves that end open. */
export interface Term {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** Membership of a provider's name in a list of references. */
export interface Membership extends Term {
  /** Whether the list has only the bare name, without a provider or a place. */
  readonly isBare: boolean;
}

/** Provider of a bare name for clusters whose provider lacks the name or is unknown. */
export const ANY_PROVIDER = '';

/**
 * Region names that a list of references resolves to. Maps each name to its providers, and each
 * provider to its membership in the list.
 */
export type NameTable = ReadonlyMap<string, Readings>;
/** Mutable {@link NameTable}. Tables share their values: a repository may have a million names. */
export type MutableTable = Map<string, Readings>;
type Readings = ReadonlyMap<string, Membership>;

const BARE: Membership = { isBare: true };
const BARE_ALONE: Readings = new Map([[ANY_PROVIDER, BARE]]);

const termOf = (since: string | undefined, until: string | undefined): Term => ({
  ...(since === undefined ? {} : { since }),
  ...(until === undefined ? {} : { until }),
});

const earlier = (left: string, right: string): string => (left < right ? left : right);
const later = (left: string, right: string): string => (left < right ? right : left);

/** Picks one of two values. If one is absent, returns the other. */
const select = (left: string | undefined, right: string | undefined, pick: (a: string, b: string) => string): string | undefined =>
  left === undefined || right === undefined ? (left ?? right) : pick(left, right);

/** Returns the intersection of two terms; undefined if it is empty. */
export const sharedTerm = (left: Term, right: Term): Term | undefined => {
  const since = select(left.since, right.since, later);
  const until = select(left.until, right.until, earlier);
  return since !== undefined && until !== undefined && since >= until ? undefined : termOf(since, until);
};

const touch = (first: Term, second: Term): boolean =>
  first.until === undefined || second.since === undefined || second.since <= first.until;

/**
 * Returns the union of two terms. If there is a gap between them, returns the later one: excluding
 * a name for too long is safer than including it.
 */
export const joinedTerm = (left: Term, right: Term): Term => {
  const [first, second] = (left.since ?? '') <= (right.since ?? '') ? [left, right] : [right, left];
  if (!touch(first, second)) return second;
  const until = first.until === undefined || second.until === undefined ? undefined : later(first.until, second.until);
  return termOf(first.since, until);
};

const isSameTerm = (left: Term, right: Term): boolean => left.since === right.since && left.until === right.until;

/**
 * Combines two memberships of a name. The result is bare unless one with a place covers the whole
 * term.
 */
const joined = (left: Membership, right: Membership): Membership => {
  const term = joinedTerm(left, right);
  return { ...term, isBare: ![left, right].some((each) => !each.isBare && isSameTerm(each, term)) };
};

const addOne = (table: MutableTable, name: string, provider: string, membership: Membership): void => {
  const readings = table.get(name);
  const known = readings?.get(provider);
  // A group that several others contain adds the same names repeatedly.
  if (known !== undefined && known.isBare === membership.isBare && isSameTerm(known, membership)) return;
  table.set(name, new Map(readings).set(provider, known === undefined ? membership : joined(known, membership)));
};

/** Adds a bare name, for clusters whose provider lacks it. @returns the work done */
export const addBareName = (table: MutableTable, name: string, { since, until }: Term): number => {
  if (since === undefined && until === undefined && !table.has(name)) table.set(name, BARE_ALONE);
  else addOne(table, name, ANY_PROVIDER, { since, until, isBare: true });
  return 1;
};

/** Adds the names of readings, limited to a term. @returns the work done */
export const addReadings = (table: MutableTable, readings: readonly Reading[], term: Term, isBare: boolean): number => {
  for (const { name, provider, region } of readings) {
    const shared = sharedTerm(term, { until: region.until });
    if (shared !== undefined) addOne(table, name, provider, { ...shared, isBare });
  }
  return readings.length;
};

/** Adds the names of a group, limited to a term. @returns the work done */
export const addTable = (table: MutableTable, group: NameTable, term: Term): number => {
  const isAlways = term.since === undefined && term.until === undefined;
  for (const [name, readings] of group) {
    if (isAlways && !table.has(name)) table.set(name, readings);
    else addWithin(table, name, readings, term);
  }
  return group.size;
};

const addWithin = (table: MutableTable, name: string, readings: Readings, term: Term): void => {
  for (const [provider, { isBare, ...own }] of readings) {
    const shared = sharedTerm(own, term);
    if (shared !== undefined) addOne(table, name, provider, { ...shared, isBare });
  }
};

/**
 * Removes names from a table, whatever their terms. Also removes a bare name if all providers that
 * have it are removed.
 */
export const subtract = (table: MutableTable, excluded: NameTable): void => {
  for (const [name, providers] of excluded) {
    const left = new Map([...(table.get(name) ?? [])].filter(([provider]) => !providers.has(provider)));
    if (left.size === 0 || (left.size === 1 && left.has(ANY_PROVIDER))) table.delete(name);
    else table.set(name, left);
  }
};
