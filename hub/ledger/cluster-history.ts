import { isShortReport, type PolicyReport, type PolicyState } from '@fso/shared/api';
import { weakMemo } from '@fso/shared/runtime';
import type { ClusterChange } from './changes.ts';
import type { ClusterRecord, Dated, HistoryChange, PolicyStateAt } from './types.ts';

type Policies = ClusterRecord['policies'];

/** Once for each report: those of policies that conform are the same in many clusters. */
const stateOf: (report: PolicyReport) => PolicyState = weakMemo((report) => ({
  phase: report.phase,
  conforms: isShortReport(report),
  violates: report.violations > 0,
  revision: report.revision ?? null,
}));

const textOf: (state: PolicyState) => string = weakMemo(
  ({ phase, conforms, violates, revision }) => `${phase} ${conforms} ${violates} ${revision ?? ''}`,
);

const isSameState = (before: PolicyReport | undefined, after: PolicyReport): boolean =>
  before !== undefined && textOf(stateOf(before)) === textOf(stateOf(after));

/** States in the order in which they first occur, each with its policies. */
const groupPolicies = (policies: Iterable<readonly [string, PolicyState]>): NonNullable<HistoryChange['policies']> => {
  const groups = new Map<string, PolicyState & { readonly keys: string[] }>();
  for (const [key, state] of policies) {
    const text = textOf(state);
    const group = groups.get(text) ?? { ...state, keys: [] };
    groups.set(text, group);
    group.keys.push(key);
  }
  return [...groups.values()];
};

const policiesBetween = (before: Policies, after: Policies, keys: readonly string[]): Pick<HistoryChange, 'policies' | 'gone'> => {
  const changed = keys.flatMap((key) => {
    const report = after.get(key);
    return report === undefined || isSameState(before.get(key), report) ? [] : [[key, stateOf(report)] as const];
  });
  const gone = keys.filter((key) => before.has(key) && !after.has(key));
  return { ...(changed.length > 0 && { policies: groupPolicies(changed) }), ...(gone.length > 0 && { gone }) };
};

const acceptedOf = ({ acked }: ClusterRecord): string | null => acked?.revision ?? null;
const provenOf = ({ report }: ClusterRecord): string | null => report?.provenRevision ?? null;

interface RecordChange {
  readonly before: ClusterRecord;
  readonly after: ClusterRecord;
  /** Of the policies that read differently in the two. */
  readonly keys: readonly string[];
}

const isObserved = ({ notObserved }: ClusterRecord): boolean => notObserved === null;

const connectionBetween = (
  { time, opens }: { time: string; opens: boolean },
  { before, after }: RecordChange,
): HistoryChange | undefined => {
  const ends = before.connected && (opens || !after.connected);
  if (ends) return { time: before.lastSeen ?? time, connected: false };
  return after.connected && !before.connected && !opens ? { time, connected: true } : undefined;
};

/**
 * What a change of a cluster's record adds to its history. A stream counts from the moment in which its agent has said how its cluster is,
 * to the last sign of life: its end may be noticed late, as after a pause of the hub's machine, or by the stream that replaces it.
 *
 * @returns undefined: nothing
 */
export const historyBetween = (change: ClusterChange, records: RecordChange): HistoryChange | undefined => {
  const { before, after } = records;
  const { time } = change;
  switch (change.type) {
    case 'forget':
      return before === after ? undefined : { time, nothing: true };
    case 'confirmed':
      return after.connected ? { time, connected: true, ...(after.notObserved !== null && { observed: false }) } : undefined;
    case 'observed':
      return isObserved(before) === isObserved(after) ? undefined : { time, observed: isObserved(after) };
    case 'connected':
      return connectionBetween({ time, opens: change.opens === true }, records);
    default:
      return changeBetween(time, records);
  }
};

const changeBetween = (time: string, { before, after, keys }: RecordChange): HistoryChange | undefined => {
  const change: HistoryChange = {
    time,
    ...(acceptedOf(before) !== acceptedOf(after) && { accepted: acceptedOf(after) }),
    ...(provenOf(before) !== provenOf(after) && { proven: provenOf(after) }),
    ...policiesBetween(before.policies, after.policies, keys),
  };
  return Object.keys(change).length > 1 ? change : undefined;
};

/** All that is known of a cluster, as a change from nothing. */
export const fullChange = (record: ClusterRecord, time: string): HistoryChange => ({
  time,
  connected: record.connected,
  ...(!isObserved(record) && { observed: false }),
  accepted: acceptedOf(record),
  proven: provenOf(record),
  ...policiesBetween(new Map(), record.policies, [...record.policies.keys()]),
});

/** What a change says of a policy; undefined: nothing. */
const policyIn = ({ policies = [], gone = [] }: HistoryChange, key: string): PolicyState | null | undefined => {
  const found = policies.find(({ keys }) => keys.includes(key));
  if (found !== undefined) {
    const { keys: _keys, ...state } = found;
    return state;
  }
  return gone.includes(key) ? null : undefined;
};

/** What of a change concerns its cluster, or one policy; undefined: nothing. */
export const narrowHistory = (change: HistoryChange, policy: string): HistoryChange | undefined => {
  const { policies: _policies, gone: _gone, ...facts } = change;
  const state = policyIn(change, policy);
  const narrowed: HistoryChange = {
    ...facts,
    ...(state === null && { gone: [policy] }),
    ...(state && { policies: [{ ...state, keys: [policy] }] }),
  };
  return Object.keys(narrowed).length > 1 ? narrowed : undefined;
};

const dated = <T>(value: T | undefined, time: string): Dated<T> | undefined => (value === undefined ? undefined : { value, since: time });

/** A stream that began or ended says that the cluster is observed, or that this does not matter. */
const observedIn = ({ connected, observed }: HistoryChange): boolean | null | undefined =>
  observed === undefined && connected !== undefined ? true : observed;

type Facts = Omit<PolicyStateAt, 'observed'> & { readonly observed?: Dated<boolean | null> };

const withFacts = (then: Facts, change: HistoryChange, policy: string): Facts => {
  const found = {
    connected: then.connected ?? dated(change.connected, change.time),
    observed: then.observed ?? dated(observedIn(change), change.time),
    accepted: then.accepted ?? dated(change.accepted, change.time),
    proven: then.proven ?? dated(change.proven, change.time),
    policy: then.policy ?? dated(policyIn(change, policy), change.time),
  };
  return Object.fromEntries(Object.entries(found).filter(([, fact]) => fact !== undefined));
};

const FACTS = 5;

/** State of a policy at a time. @param changes newest first, of one cluster */
export const findPolicyState = async (
  changes: AsyncIterable<HistoryChange>,
  { policy, at }: { policy: string; at: string },
): Promise<PolicyStateAt> => {
  let then: Facts = {};
  for await (const change of changes) {
    if (change.time > at) continue;
    then = withFacts(then, change, policy);
    if (change.nothing === true || Object.keys(then).length === FACTS) break;
  }
  const { observed, ...rest } = then;
  return observed === undefined || observed.value === null ? rest : { ...rest, observed: { ...observed, value: observed.value } };
};

/** Facts that were met already, on the way from the newest change to the oldest. */
class KnownFacts {
  readonly #facts = new Set<string>();
  readonly #policies = new Set<string>();

  /** @returns what of an older change still stood behind all later ones */
  rest(change: HistoryChange): HistoryChange {
    const { time, accepted, proven, policies = [], gone = [] } = change;
    const states = policies.flatMap(({ keys, ...state }) => this.#newPolicies(keys).map((key) => [key, state] as const));
    // That it went is no news to those who ask later; what came before it must not come back.
    for (const key of gone) this.#policies.add(key);
    return {
      time,
      ...this.#connection(change),
      ...(accepted !== undefined && this.#isNew('accepted') && { accepted }),
      ...(proven !== undefined && this.#isNew('proven') && { proven }),
      ...(states.length > 0 && { policies: groupPolicies(states) }),
    };
  }

  /** Where a later change says that it was observed again, one that it was connected must not say that it was all the time. */
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

  #newPolicies(keys: readonly string[]): readonly string[] {
    const fresh = keys.filter((key) => !this.#policies.has(key));
    for (const key of fresh) this.#policies.add(key);
    return fresh;
  }
}

/**
 * The changes that lead to the same end, without what others took back: each keeps its time. Whether something was otherwise in between is no
 * longer known. @param changes oldest first, of one cluster
 */
export const compactHistory = (changes: readonly HistoryChange[]): readonly HistoryChange[] => {
  const from = changes.findLastIndex(({ nothing }) => nothing === true);
  const known = new KnownFacts();
  const rest = changes
    .slice(Math.max(from, 0))
    .toReversed()
    .map((change) => ({ ...known.rest(change), ...(change.nothing === true && { nothing: true as const }) }));
  return rest.filter((change) => Object.keys(change).length > 1).toReversed();
};
