import type { PolicyState } from '@fso/shared/api';
import type { HistoryChange } from '../types.ts';
import { groupPolicies } from './cluster-history.ts';
import { observedIn } from './policy-past.ts';

type Names = Pick<HistoryChange, 'policies' | 'closed' | 'gone' | 'named'>;

const withoutEmpty = <T extends object>(fields: T): Partial<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value.length > 0)) as Partial<T>;

/**
 * Mentions of policies by name, collected from the newest change to the oldest. Only the newest
 * mention of each policy is kept: that it is reported by name, or, after the newest baseline, that
 * it no longer is. Its states in between become unknown, unless there was only one.
 */
class KnownNames {
  readonly #baselineAt: number;
  /** Number of the change with the newest mention, by key. */
  readonly #newest = new Map<string, number>();
  /** Policies whose state at the newest baseline is known. */
  readonly #clear = new Set<string>();
  readonly #unknown = new Set<string>();
  /** Newest change that lists all policies that are reported by name. */
  #all: { readonly at: number; readonly keys: ReadonlySet<string> } | undefined;

  /** @param baselineAt number of the change with the newest baseline; -1: none */
  constructor(baselineAt: number) {
    this.#baselineAt = baselineAt;
  }

  /** Keys of policies whose states after the newest baseline are left out. */
  get unknown(): readonly string[] {
    return [...this.#unknown];
  }

  rest({ policies = [], closed = [], gone = [], named, unknown = [] }: HistoryChange, at: number): Names {
    const isBehind = this.#baselineAt >= 0 && at > this.#baselineAt;
    const isKept = isBehind || at === this.#baselineAt;
    const open = policies.flatMap(({ keys, ...state }) => this.#newestOf(keys, at, true).map((key): [string, PolicyState] => [key, state]));
    const others = { closed: this.#newestOf(closed, at, false), gone: this.#newestOf(gone, at, false) };
    for (const key of this.#newestOf(unknown, at, true)) this.#unknown.add(key);
    const all = named === undefined || this.#all !== undefined ? undefined : [...named, ...policies.flatMap(({ keys }) => keys)];
    if (all !== undefined) this.#all = { at, keys: new Set(all) };
    const left = new Set(open.map(([key]) => key));
    return {
      ...(isBehind && withoutEmpty({ closed: others.closed })),
      ...(isKept && withoutEmpty({ gone: others.gone })),
      // Includes policies whose mentions, here or later, are left out.
      ...(all !== undefined && isKept && { named: [...new Set([...all, ...this.#unknown])].filter((key) => !left.has(key)) }),
      ...(open.length > 0 && { policies: groupPolicies(open) }),
    };
  }

  #newestOf(keys: readonly string[], at: number, isOpen: boolean): readonly string[] {
    return keys.filter((key) => this.#isNewest(key, at, isOpen));
  }

  #isNewest(key: string, at: number, isOpen: boolean): boolean {
    const newest = this.#newest.get(key) ?? this.#closedAt(key);
    this.#newest.set(key, newest ?? at);
    if (newest === undefined) return true;
    if (newest > this.#baselineAt && !this.#clear.has(key)) {
      if (isOpen || at >= this.#baselineAt) this.#unknown.add(key);
      if (at < this.#baselineAt) this.#clear.add(key);
    }
    return false;
  }

  /**
   * Number of the change that closed a key without naming it. Once a change lists all policies, no
   * other key is reported by name.
   */
  #closedAt(key: string): number | undefined {
    return this.#all === undefined || this.#all.keys.has(key) ? undefined : this.#all.at;
  }
}

type FactChange = Pick<HistoryChange, 'connected' | 'observed' | 'accepted' | 'proven'>;

/** Facts that newer changes already state, collected from the newest change to the oldest. */
class KnownFacts {
  readonly #facts = new Set<string>();

  /** @returns the facts of an older change that no newer change replaced */
  rest(change: HistoryChange): FactChange {
    const { accepted, proven } = change;
    return {
      ...this.#connection(change),
      ...(accepted !== undefined && this.#isNew('accepted') && { accepted }),
      ...(proven !== undefined && this.#isNew('proven') && { proven }),
    };
  }

  /**
   * Returns the remaining facts of a connection. If a newer change says that the cluster was
   * observed again, its beginning must not say that it was observed throughout.
   */
  #connection(change: HistoryChange): Pick<HistoryChange, 'connected' | 'observed'> {
    const { connected, observed } = change;
    const isConnectedNew = connected !== undefined && this.#isNew('connected');
    const isObservedNew = observedIn(change) !== undefined && this.#isNew('observed');
    return {
      ...(isConnectedNew && { connected }),
      ...(isObservedNew && observed !== undefined && { observed }),
      ...(isConnectedNew && !isObservedNew && { observed: null }),
    };
  }

  #isNew(fact: string): boolean {
    return !this.#facts.has(fact) && this.#facts.add(fact).size > 0;
  }
}

/**
 * Maximum number of keys kept of policies that came and went after the newest baseline, so that a
 * cluster with ever new policies does not fill a row.
 */
const MAX_CLOSED = 1_000;

/** Keys of the policies that are still reported by name after the last change. */
const openIn = (changes: readonly HistoryChange[]): ReadonlySet<string> =>
  new Set(changes.flatMap(({ policies = [] }) => policies.flatMap(({ keys }) => keys)));

const countClosed = (changes: readonly HistoryChange[], open: ReadonlySet<string>): number => {
  const keys = new Set(changes.flatMap(({ closed = [], gone = [], unknown = [] }) => [...closed, ...gone, ...unknown]));
  return [...keys].filter((key) => !open.has(key)).length;
};

/**
 * Leaves out policies that are no longer reported by name after the last change. The last change
 * then states the baseline and all names; earlier states are lost.
 *
 * @param baselineAt number of the change with the newest baseline
 */
const withoutClosed = (changes: readonly HistoryChange[], baselineAt: number, open: ReadonlySet<string>): readonly HistoryChange[] => {
  const baseline = changes[baselineAt]?.baseline ?? null;
  const last = changes.length - 1;
  return changes.map((change, at) => {
    const { baseline: _baseline, closed: _closed, gone: _gone, named: _named, unknown: _unknown, ...rest } = change;
    if (at < last) return rest;
    const own = new Set(rest.policies?.flatMap(({ keys }) => keys));
    return { ...rest, baseline, named: [...open].filter((key) => !own.has(key)) };
  });
};

/**
 * Reduces changes to those that lead to the same final state, each with its time. Intermediate
 * states and the states by older baselines are lost.
 *
 * @param changes oldest first, of one cluster
 * @param maxClosed maximum number of keys kept of policies that came and went
 */
export const compactHistory = (changes: readonly HistoryChange[], maxClosed = MAX_CLOSED): readonly HistoryChange[] => {
  const from = changes.findLastIndex(({ nothing }) => nothing === true);
  const left = changes.slice(Math.max(from, 0));
  const baselineAt = left.findLastIndex(({ baseline }) => baseline !== undefined);
  const facts = new KnownFacts();
  const names = new KnownNames(baselineAt);
  const rest = [...left.entries()].toReversed().map(([at, change]): HistoryChange => {
    const { time, baseline, nothing } = change;
    return {
      time,
      ...facts.rest(change),
      ...(at === baselineAt && baseline !== undefined && { baseline }),
      ...names.rest(change, at),
      ...(nothing === true && { nothing }),
    };
  });
  const { unknown } = names;
  const compact = rest.toReversed().map((change, at) => (at === baselineAt && unknown.length > 0 ? { ...change, unknown } : change));
  const open = openIn(compact);
  const bounded = baselineAt >= 0 && countClosed(compact, open) > maxClosed ? withoutClosed(compact, baselineAt, open) : compact;
  return bounded.filter((change) => Object.keys(change).length > 1);
};
