import type { PolicyState } from '@fso/shared/api';
import { isExpired } from '@fso/shared/residency';
import { memoByKey } from '@fso/shared/runtime';
import { hasBit, type ListedPolicy } from '@fso/shared/status';
import type { PolicyList } from '../policies/index.ts';
import type { DatedValue, HistoryBaseline, HistoryChange, PolicyStateAt } from '../types.ts';
import { textOfState } from './cluster-history.ts';

/** Looks up a policy list by its digest; undefined: the ledger no longer has it. */
export type FindPolicyList = (digest: string) => Promise<PolicyList | undefined>;

/** Query about one policy of a cluster. */
interface PolicyQuery {
  readonly policy: string;
  readonly listOf: FindPolicyList;
}

/** Returns what a change says of one policy by name; undefined: nothing. */
const statedIn = (change: HistoryChange, key: string): PolicyState | 'closed' | 'gone' | 'unknown' | undefined => {
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

/** State of the knowledge about a policy after a change. */
interface Known {
  /** undefined: the policy is not reported by name. */
  readonly byName: PolicyState | 'gone' | 'unknown' | undefined;
  /** Baseline of the changes so far; undefined: none was recorded. */
  readonly baseline: HistoryBaseline | null | undefined;
}

const NOTHING: Known = { byName: undefined, baseline: undefined };
/** Knowledge before the changes that were read. Older ones may still apply. */
const NOT_READ: Known = { byName: 'unknown', baseline: undefined };

const concerns = (change: HistoryChange, policy: string): boolean =>
  change.nothing === true || change.baseline !== undefined || statedIn(change, policy) !== undefined;

const withBaseline = (known: Known, baseline: Known['baseline']): Known => {
  if (baseline === undefined) return known;
  // A newer baseline overrides an earlier `gone`.
  return { byName: known.byName === 'gone' ? undefined : known.byName, baseline };
};

/**
 * Returns the knowledge after a change.
 *
 * @returns `known` if the change does not concern the policy
 */
const after = (known: Known, change: HistoryChange, policy: string): Known => {
  const { byName, baseline } = withBaseline(change.nothing === true ? NOTHING : known, change.baseline);
  const stated = statedIn(change, policy);
  if (stated === undefined) return concerns(change, policy) ? { byName, baseline } : known;
  if (stated !== 'closed') return { byName: stated, baseline };
  return { byName: byName === 'gone' ? byName : undefined, baseline };
};

const stateByList = (policy: ListedPolicy, bit: number, { asOf, missing }: HistoryBaseline): PolicyState => {
  const governs = hasBit(missing, bit) ? 'Pending' : 'Active';
  const phase = isExpired(policy.expiryDate, Date.parse(asOf)) ? 'Expired' : governs;
  return { phase, conforms: phase !== 'Pending', violates: false, revision: policy.since };
};

/** null: the cluster does not have the policy. undefined: unknown. */
type Read = PolicyState | null | undefined;

const read = async ({ byName, baseline }: Known, { policy, listOf }: PolicyQuery): Promise<Read> => {
  if (byName === 'unknown') return undefined;
  if (byName === 'gone') return null;
  if (byName !== undefined) return byName;
  // A policy that was applied in the cluster is always reported by name.
  if (baseline !== undefined && policy.includes('/')) return null;
  const list = baseline ? await listOf(baseline.list) : undefined;
  // A list that an agent named may differ from the stored one.
  if (!baseline || list === undefined || list.isNamed) return undefined;
  const listed = list.get(policy);
  return listed === undefined ? null : stateByList(listed, list.bitOf(policy), baseline);
};

const isSame = (a: Read, b: Read): boolean => a === b || (!!a && !!b && textOfState(a) === textOfState(b));

/**
 * Maximum number of changes that a search reads to find since when a policy has its state, once the
 * state is known.
 */
const MAX_READ = 200;

/** Changes that concern one policy, collected from the newest to the oldest. */
class Trail {
  readonly #policy: string;
  readonly #changes: HistoryChange[] = [];
  #stated: ReturnType<typeof statedIn>;
  #hasBaseline: boolean = false;
  #isEnd: boolean = false;
  #readCount = 0;

  constructor(policy: string) {
    this.#policy = policy;
  }

  take(change: HistoryChange): void {
    if (this.isDecided) this.#readCount += 1;
    if (!concerns(change, this.#policy)) return;
    this.#changes.push(change);
    this.#stated ??= statedIn(change, this.#policy);
    this.#hasBaseline ||= change.baseline !== undefined;
    this.#isEnd = change.nothing === true;
  }

  /** Marks the end of the history: there are no older changes. */
  end(): void {
    this.#isEnd = true;
  }

  /**
   * Whether the state of the policy is known, so that older changes can only add its earlier
   * states.
   */
  get isDecided(): boolean {
    return this.isWhole || (this.#stated !== undefined && this.#stated !== 'closed');
  }

  /**
   * Whether the baseline is known too, so that the state also follows once the policy is no longer
   * reported by name.
   */
  get isWhole(): boolean {
    return this.#isEnd || (this.#stated !== undefined && this.#hasBaseline);
  }

  get isLong(): boolean {
    return this.#isEnd || this.#readCount >= MAX_READ;
  }

  /** Returns the knowledge after each change, oldest first. */
  steps(): readonly { readonly time: string; readonly known: Known }[] {
    let known = this.#isEnd ? NOTHING : NOT_READ;
    return this.#changes.toReversed().map((change) => {
      known = after(known, change, this.#policy);
      return { time: change.time, known };
    });
  }
}

/** Returns the newest state of the policy, and since when it has it. @returns undefined: unknown */
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

/**
 * Returns whether a change says that the cluster is observed. The start and the end of a stream
 * reset it to true.
 */
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
 * Finds the state of a policy at a time. How long it has had that state is searched in a few
 * hundred changes, so the given time may be too late but never too early.
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
  const found = await newestOf(trail, { policy, listOf: memoByKey(listOf) });
  return {
    ...rest,
    ...(observed !== undefined && observed.value !== null && { observed: { ...observed, value: observed.value } }),
    ...(found !== undefined && { policy: found }),
  };
};

/**
 * Whether the state of a policy after some changes, or whether it is new, depends on older changes.
 *
 * @param changes oldest first
 */
const dependsOnOlder = (changes: readonly HistoryChange[], policy: string): boolean => {
  const first = changes.find((change) => concerns(change, policy));
  if (first === undefined || first.nothing === true) return false;
  const stated = statedIn(first, policy);
  if (stated === undefined || stated === 'closed') return true;
  const closing = changes.findIndex((change) => statedIn(change, policy) === 'closed');
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
  const stated = statedIn(change, policy);
  const isNew = stated === 'gone' || typeof stated === 'object' || !isSame(was, is);
  const narrowed: HistoryChange = { ...facts, ...(isNew && readingOf(change, policy, is)) };
  return Object.keys(narrowed).length > 1 ? narrowed : undefined;
};

async function* none(): AsyncGenerator<never> {}

/**
 * Reduces changes to what concerns the cluster itself or one policy.
 *
 * @param changes newest first
 * @param query older: the changes before them, newest first; read as far as needed
 * @returns one result per change; undefined: the change does not concern the policy or its cluster
 */
export const narrowHistory = async (
  changes: readonly HistoryChange[],
  { policy, listOf, older = none() }: PolicyQuery & { readonly older?: AsyncIterable<HistoryChange> },
): Promise<readonly (HistoryChange | undefined)[]> => {
  const query = { policy, listOf: memoByKey(listOf) };
  const oldestFirst = changes.toReversed();
  let known = dependsOnOlder(oldestFirst, policy) ? await knownBefore(older, policy) : NOT_READ;
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
