import type { PolicyState } from '@fso/shared/api';
import { isExpired } from '@fso/shared/residency';
import { hasBit, type ListedPolicy } from '@fso/shared/status';
import type { PolicyList } from '../policies/index.ts';
import type { DatedValue, HistoryBaseline, HistoryChange, PolicyStateAt } from '../types.ts';
import { textOfState } from './cluster-history.ts';

/** Looks up a policy list by its digest; undefined: the ledger no longer has it. */
export type FindPolicyList = (digest: string) => Promise<PolicyList | undefined>;

/** About one policy of a cluster. */
interface PolicyQuery {
  readonly policy: string;
  readonly listOf: FindPolicyList;
}

/** Asks for each list once. */
const remembering = (listOf: FindPolicyList): FindPolicyList => {
  const asked = new Map<string, ReturnType<FindPolicyList>>();
  return (digest) => {
    const found = asked.get(digest) ?? listOf(digest);
    asked.set(digest, found);
    return found;
  };
};

/** Returns the state that a change records of one policy by name; undefined: none. */
const saidOf = (change: HistoryChange, key: string): PolicyState | 'closed' | 'gone' | 'unknown' | undefined => {
  const { policies = [], closed = [], gone = [], named, unknown = [] } = change;
  const found = policies.find(({ keys }) => keys.includes(key));
  if (found !== undefined) {
    const { keys: _keys, ...state } = found;
    return state;
  }
  if (gone.includes(key)) return 'gone';
  if (unknown.includes(key)) return 'unknown';
  return closed.includes(key) || named?.includes(key) === false ? 'closed' : undefined;
};

/** Knowledge of a policy after a change. */
interface Known {
  /** undefined: it is not known by name. */
  readonly byName: PolicyState | 'gone' | 'unknown' | undefined;
  /** Baseline of the changes so far; undefined: none was recorded. */
  readonly baseline: HistoryBaseline | null | undefined;
}

const NOTHING: Known = { byName: undefined, baseline: undefined };
/** Knowledge before changes that were not read: what older ones say may still hold. */
const NOT_READ: Known = { byName: 'unknown', baseline: undefined };

const touches = (change: HistoryChange, policy: string): boolean =>
  change.nothing === true || change.baseline !== undefined || saidOf(change, policy) !== undefined;

const withBaseline = (known: Known, baseline: Known['baseline']): Known => {
  if (baseline === undefined) return known;
  // A later list has the last word on what was gone.
  return { byName: known.byName === 'gone' ? undefined : known.byName, baseline };
};

/** @returns `known` where the change says nothing of the policy */
const after = (known: Known, change: HistoryChange, policy: string): Known => {
  const { byName, baseline } = withBaseline(change.nothing === true ? NOTHING : known, change.baseline);
  const said = saidOf(change, policy);
  if (said === undefined) return touches(change, policy) ? { byName, baseline } : known;
  if (said !== 'closed') return { byName: said, baseline };
  return { byName: byName === 'gone' ? byName : undefined, baseline };
};

const stateByList = (policy: ListedPolicy, bit: number, { asOf, missing }: HistoryBaseline): PolicyState => {
  const governs = hasBit(missing, bit) ? 'Pending' : 'Active';
  const phase = isExpired(policy.expiryDate, Date.parse(asOf)) ? 'Expired' : governs;
  return { phase, conforms: phase !== 'Pending', violates: false, revision: policy.since };
};

/** null: the cluster does not have the policy. undefined: not known. */
type Read = PolicyState | null | undefined;

const read = async ({ byName, baseline }: Known, { policy, listOf }: PolicyQuery): Promise<Read> => {
  if (byName === 'unknown') return undefined;
  if (byName === 'gone') return null;
  if (byName !== undefined) return byName;
  // What was applied in the cluster is known by name for as long as it is there.
  if (baseline !== undefined && policy.includes('/')) return null;
  const list = baseline ? await listOf(baseline.list) : undefined;
  // One that an agent has named is not the one that was stored.
  if (!baseline || list === undefined || list.isNamed) return undefined;
  const listed = list.get(policy);
  return listed === undefined ? null : stateByList(listed, list.bitOf(policy), baseline);
};

const isSame = (a: Read, b: Read): boolean => a === b || (!!a && !!b && textOfState(a) === textOfState(b));

/**
 * Changes that a search looks at, to find since when a policy read as it did, once it is known how.
 */
const LOOKED = 200;

/** Changes that concern one policy, met on the way from the newest to the oldest. */
class Trail {
  readonly #policy: string;
  readonly #changes: HistoryChange[] = [];
  #said: ReturnType<typeof saidOf>;
  #hasBaseline: boolean = false;
  #isEnd: boolean = false;
  #looked = 0;

  constructor(policy: string) {
    this.#policy = policy;
  }

  take(change: HistoryChange): void {
    if (this.isDecided) this.#looked += 1;
    if (!touches(change, this.#policy)) return;
    this.#changes.push(change);
    this.#said ??= saidOf(change, this.#policy);
    this.#hasBaseline ||= change.baseline !== undefined;
    this.#isEnd = change.nothing === true;
  }

  /** Marks the end of the history: there is nothing older. */
  end(): void {
    this.#isEnd = true;
  }

  /** Whether nothing that is older says how the policy is; it may say how it was before. */
  get isDecided(): boolean {
    return this.isWhole || (this.#said !== undefined && this.#said !== 'closed');
  }

  /** Whether that is known, and also how the policy reads once it is not known by name. */
  get isWhole(): boolean {
    return this.#isEnd || (this.#said !== undefined && this.#hasBaseline);
  }

  get isLong(): boolean {
    return this.#isEnd || this.#looked >= LOOKED;
  }

  /** Returns what was known after each change, oldest first. */
  steps(): readonly { readonly time: string; readonly known: Known }[] {
    let known = this.#isEnd ? NOTHING : NOT_READ;
    return this.#changes.toReversed().map((change) => {
      known = after(known, change, this.#policy);
      return { time: change.time, known };
    });
  }
}

/** @returns undefined: it is not known */
const newestOf = async (trail: Trail, query: PolicyQuery): Promise<DatedValue<PolicyState | null> | undefined> => {
  let found: DatedValue<PolicyState | null> | undefined;
  for (const { time, known } of trail.steps().toReversed()) {
    const value = await read(known, query);
    if (value === undefined || (found !== undefined && !isSame(found.value, value))) break;
    found = { value, since: time };
  }
  return found;
};

const dated = <T>(value: T | undefined, time: string): DatedValue<T> | undefined =>
  value === undefined ? undefined : { value, since: time };

/** A stream that began or ended says that the cluster is observed, or that this does not matter. */
export const observedIn = ({ connected, observed }: HistoryChange): boolean | null | undefined =>
  observed === undefined && connected !== undefined ? true : observed;

type Facts = Omit<PolicyStateAt, 'observed' | 'policy'> & { readonly observed?: DatedValue<boolean | null> };

const withFacts = (then: Facts, change: HistoryChange): Facts => {
  const found = {
    connected: then.connected ?? dated(change.connected, change.time),
    observed: then.observed ?? dated(observedIn(change), change.time),
    accepted: then.accepted ?? dated(change.accepted, change.time),
    proven: then.proven ?? dated(change.proven, change.time),
  };
  return Object.fromEntries(Object.entries(found).filter(([, fact]) => fact !== undefined));
};

const FACTS = 4;

/**
 * State of a policy at a time. Since when it read so is found as far as a few hundred changes go,
 * and is that time or an earlier one.
 *
 * @param changes newest first, of one cluster
 */
export const findPolicyState = async (
  changes: AsyncIterable<HistoryChange>,
  { policy, at, listOf }: PolicyQuery & { readonly at: string },
): Promise<PolicyStateAt> => {
  const trail = new Trail(policy);
  let facts: Facts = {};
  let isEnd = true;
  for await (const change of changes) {
    if (change.time > at) continue;
    facts = withFacts(facts, change);
    trail.take(change);
    isEnd = change.nothing === true || Object.keys(facts).length < FACTS || !trail.isDecided || !trail.isLong;
    if (change.nothing === true || !isEnd) break;
  }
  if (isEnd) trail.end();
  const { observed, ...rest } = facts;
  const found = await newestOf(trail, { policy, listOf: remembering(listOf) });
  return {
    ...rest,
    ...(observed !== undefined && observed.value !== null && { observed: { ...observed, value: observed.value } }),
    ...(found !== undefined && { policy: found }),
  };
};

/**
 * Whether how a policy reads after some changes, or whether that is new, rests on what came before
 * them. @param changes oldest first
 */
const restsOnOlder = (changes: readonly HistoryChange[], policy: string): boolean => {
  const first = changes.find((change) => touches(change, policy));
  if (first === undefined || first.nothing === true) return false;
  const said = saidOf(first, policy);
  if (said === undefined || said === 'closed') return true;
  const closing = changes.findIndex((change) => saidOf(change, policy) === 'closed');
  const ground = changes.findIndex(({ nothing, baseline }) => nothing === true || baseline !== undefined);
  return closing >= 0 && (ground < 0 || ground > closing);
};

const knownBefore = async (older: AsyncIterable<HistoryChange>, policy: string): Promise<Known> => {
  const trail = new Trail(policy);
  for await (const change of older) {
    trail.take(change);
    if (trail.isWhole) break;
  }
  if (!trail.isWhole) trail.end();
  return trail.steps().at(-1)?.known ?? NOTHING;
};

const readingOf = ({ nothing }: HistoryChange, policy: string, read: Read): Omit<HistoryChange, 'time'> => {
  if (read === null) return { gone: [policy] };
  if (read !== undefined) return { policies: [{ ...read, keys: [policy] }] };
  return nothing === true ? {} : { unknown: [policy] };
};

const narrow = (
  change: HistoryChange,
  policy: string,
  { was, is }: { readonly was: Read; readonly is: Read },
): HistoryChange | undefined => {
  const { baseline: _baseline, policies: _policies, closed: _closed, gone: _gone, named: _named, unknown: _unknown, ...facts } = change;
  const said = saidOf(change, policy);
  const isNew = said === 'gone' || typeof said === 'object' || !isSame(was, is);
  const narrowed: HistoryChange = { ...facts, ...(isNew && readingOf(change, policy, is)) };
  return Object.keys(narrowed).length > 1 ? narrowed : undefined;
};

async function* none(): AsyncGenerator<never> {}

/**
 * Narrows changes to what concerns their cluster or one policy, each to what it made of the policy.
 *
 * @param changes newest first
 * @param query older: the changes before them, newest first; read as far as needed
 * @returns as many; undefined: a change says nothing of it
 */
export const narrowHistory = async (
  changes: readonly HistoryChange[],
  { policy, listOf, older = none() }: PolicyQuery & { readonly older?: AsyncIterable<HistoryChange> },
): Promise<readonly (HistoryChange | undefined)[]> => {
  const query = { policy, listOf: remembering(listOf) };
  const oldestFirst = changes.toReversed();
  let known = restsOnOlder(oldestFirst, policy) ? await knownBefore(older, policy) : NOT_READ;
  let was = await read(known, query);
  const narrowed: (HistoryChange | undefined)[] = [];
  for (const change of oldestFirst) {
    const next = after(known, change, policy);
    const is = next === known ? was : await read(next, query);
    narrowed.push(narrow(change, policy, { was, is }));
    known = next;
    was = is;
  }
  return narrowed.toReversed();
};
