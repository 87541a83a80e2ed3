import type { Reading } from './catalog-index.ts';

/** Days (UTC) between which something holds; absent: without a beginning, without an end. */
export interface Term {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** Way in which a name is inside a list of references, as one provider reads it. */
export interface Membership extends Term {
  /** Whether the bare name alone is listed, which says nothing of its place. */
  readonly isBare: boolean;
}

/** Provider of a bare name as clusters read it whose provider does not have it, or is not known. */
export const ANY_PROVIDER = '';

/** Names that a list of references stands for, each with the providers that read it inside. */
export type NameTable = ReadonlyMap<string, Readings>;
/** Tables share the readings of their names: a repository may have a million of them. */
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

/** The value of both that {@link pick} selects; where one is absent, that is the value. */
const select = (left: string | undefined, right: string | undefined, pick: (a: string, b: string) => string): string | undefined =>
  left === undefined || right === undefined ? (left ?? right) : pick(left, right);

/** The time that two terms share; undefined: none. */
export const sharedTerm = (left: Term, right: Term): Term | undefined => {
  const since = select(left.since, right.since, later);
  const until = select(left.until, right.until, earlier);
  return since !== undefined && until !== undefined && since >= until ? undefined : termOf(since, until);
};

const touch = (first: Term, second: Term): boolean =>
  first.until === undefined || second.since === undefined || second.since <= first.until;

/**
 * The time of two terms together. Of two with a gap between them the later one: a name is rather
 * outside for too long than inside.
 */
export const joinedTerm = (left: Term, right: Term): Term => {
  const [first, second] = (left.since ?? '') <= (right.since ?? '') ? [left, right] : [right, left];
  if (!touch(first, second)) return second;
  const until = first.until === undefined || second.until === undefined ? undefined : later(first.until, second.until);
  return termOf(first.since, until);
};

const isSameTerm = (left: Term, right: Term): boolean => left.since === right.since && left.until === right.until;

/**
 * A name that is inside in two ways. It counts as listed with its place only where that way has all
 * of the time.
 */
const joined = (left: Membership, right: Membership): Membership => {
  const term = joinedTerm(left, right);
  return { ...term, isBare: ![left, right].some((each) => !each.isBare && isSameTerm(each, term)) };
};

const addOne = (table: MutableTable, name: string, provider: string, membership: Membership): void => {
  const readings = table.get(name);
  const known = readings?.get(provider);
  // Groups that lie in several others bring the same again and again.
  if (known !== undefined && known.isBare === membership.isBare && isSameTerm(known, membership)) return;
  table.set(name, new Map(readings).set(provider, known === undefined ? membership : joined(known, membership)));
};

/** Adds a bare name, as clusters read it whose provider does not have it. @returns the work done */
export const addBareName = (table: MutableTable, name: string, { since, until }: Term): number => {
  if (since === undefined && until === undefined && !table.has(name)) table.set(name, BARE_ALONE);
  else addOne(table, name, ANY_PROVIDER, { since, until, isBare: true });
  return 1;
};

/** Adds what readings say of their names, within a term. @returns the work done */
export const addReadings = (table: MutableTable, readings: readonly Reading[], term: Term, isBare: boolean): number => {
  for (const { name, provider, region } of readings) {
    const shared = sharedTerm(term, { until: region.until });
    if (shared !== undefined) addOne(table, name, provider, { ...shared, isBare });
  }
  return readings.length;
};

/** Adds what a group stands for, within a term. @returns the work done */
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
 * Takes names out of a table, whatever their terms. A bare name of which every provider that has it
 * is taken out goes, too.
 */
export const subtract = (table: MutableTable, excluded: NameTable): void => {
  for (const [name, providers] of excluded) {
    const left = new Map([...(table.get(name) ?? [])].filter(([provider]) => !providers.has(provider)));
    if (left.size === 0 || (left.size === 1 && left.has(ANY_PROVIDER))) table.delete(name);
    else table.set(name, left);
  }
};
