import { isAsExpected, isShortReport, type PolicyReport, type PolicyState } from '@fso/shared/api';
import { weakMemo } from '@fso/shared/runtime';
import { type Baseline, isSameBaseline, isUneventful } from '@fso/shared/status';
import type { ClusterChange } from '../changes.ts';
import { ClusterPolicies, listIn, namedIn } from '../policies/index.ts';
import type { ClusterRecord, HistoryBaseline, HistoryChange } from '../types.ts';

/**
 * Returns the state of a policy. Memoized per report, because many clusters share the reports of
 * conforming policies. A policy without its namespace does not conform.
 */
const stateOf: (report: PolicyReport) => PolicyState = weakMemo((report) => ({
  phase: report.phase,
  conforms: isShortReport(report) ? isAsExpected(report) && report.phase !== 'Pending' : isUneventful(report),
  violates: report.violations > 0,
  revision: report.revision ?? null,
}));

/** Serializes the state of a policy. Equal states give equal texts. */
export const textOfState: (state: PolicyState) => string = weakMemo(
  ({ phase, conforms, violates, revision }) => `${phase} ${conforms} ${violates} ${revision ?? ''}`,
);

const isSameState = (before: PolicyReport | undefined, after: PolicyReport): boolean =>
  before !== undefined && textOfState(stateOf(before)) === textOfState(stateOf(after));

/** Groups policies by state, in the order in which the states first occur. */
export const groupPolicies = (policies: Iterable<readonly [string, PolicyState]>): NonNullable<HistoryChange['policies']> => {
  const groups = new Map<string, PolicyState & { readonly keys: string[] }>();
  for (const [key, state] of policies) {
    const text = textOfState(state);
    const group = groups.get(text) ?? { ...state, keys: [] };
    groups.set(text, group);
    group.keys.push(key);
  }
  return [...groups.values()];
};

interface RecordChange {
  readonly before: ClusterRecord;
  readonly after: ClusterRecord;
  /** Keys of the policies whose reports differ between the two records. */
  readonly keys: readonly string[];
}

/**
 * Returns the policies whose baseline and list define the state of all that are not reported by
 * name. null: the list is missing, unknown or not stored because an agent named it.
 */
const groundOf = ({ policies }: ClusterRecord): ClusterPolicies | null =>
  policies instanceof ClusterPolicies && !policies.list.isNamed ? policies : null;

/** Whether two baselines differ at most in their time, as far as the history has them. */
const isSameGround = (a: Baseline | null, b: Baseline | null): boolean =>
  isSameBaseline(a, b, ['list', 'missing', 'floor', 'gatekeeper', 'injection', 'gatekeeperNamespace']);

/**
 * Whether policies that are not reported by name have equal states in both records. If this hub
 * knows neither list, another hub may have known the first one and recorded it. Its baseline then
 * ends when its time moves, because nobody here knows which policies expired since. A list that an
 * agent named was never recorded.
 */
const readAlike = ({ before, after }: Pick<RecordChange, 'before' | 'after'>): boolean => {
  const [was, is] = [groundOf(before), groundOf(after)];
  if (was === null && is === null) {
    const isTimeAlike = before.baseline?.asOf === after.baseline?.asOf || listIn(after) !== undefined;
    return isSameGround(before.baseline, after.baseline) && isTimeAlike;
  }
  if (was === is) return true;
  if (was === null || is === null) return false;
  const [a, b] = [was.baseline, is.baseline];
  return isSameGround(a, b) && is.list.countExpired(a.asOf) === is.list.countExpired(b.asOf);
};

const baselineOf = (ground: ClusterPolicies | null): HistoryBaseline | null => {
  if (ground === null) return null;
  const { list, profile, asOf, missing } = ground.baseline;
  return { list, profile, asOf, missing };
};

/**
 * Whether a policy that is no longer reported by name has the state of the list. If the list is
 * unknown, any policy of the hub may be in it.
 */
const isListed = (key: string, record: ClusterRecord): boolean => {
  const ground = groundOf(record);
  return ground === null ? record.baseline !== null && !key.includes('/') : ground.list.has(key);
};

/**
 * Maximum number of unchanged policies that a change names, so that a search need not go further
 * back.
 */
const MAX_NAMED = 50;

interface Shift {
  /** Whether the state of policies that are not reported by name changed. */
  readonly isMoved: boolean;
  /** Whether the report lists all policies that are reported by name. */
  readonly isFull: boolean;
}

/**
 * Returns the other keys that are reported by name, if the change is to list all of them; else
 * undefined.
 */
const namedAfter = ({ before, after }: RecordChange, opened: ReadonlySet<string>, { isMoved, isFull }: Shift): string[] | undefined => {
  if (!isMoved && !isFull) return undefined;
  const names = namedIn(after.policies);
  // The first known list ends everything that an older program recorded.
  const isFirst = isMoved && groundOf(before) === null && groundOf(after) !== null;
  if (!isFirst && names.size - opened.size > MAX_NAMED) return undefined;
  return [...names.keys()].filter((key) => !opened.has(key));
};

const some = <K extends string>(name: K, keys: readonly string[]): { readonly [key in K]?: readonly string[] } =>
  (keys.length > 0 ? { [name]: keys } : {}) as { readonly [key in K]?: readonly string[] };

/**
 * Returns the report of a policy that is reported by name, including the commit since which it is
 * in its list.
 */
const reportByName = ({ policies }: ClusterRecord, key: string): PolicyReport | undefined =>
  namedIn(policies).has(key) ? policies.get(key) : undefined;

/** Returns the changes of policies; empty: nothing changed. */
const policiesBetween = (records: RecordChange, isFull: boolean): Omit<HistoryChange, 'time'> => {
  const { before, after, keys } = records;
  const opened = keys.flatMap((key) => {
    const report = reportByName(after, key);
    return report === undefined || isSameState(reportByName(before, key), report) ? [] : [[key, stateOf(report)] as const];
  });
  const [known, names] = [namedIn(before.policies), namedIn(after.policies)];
  const went = keys.filter((key) => known.has(key) && !names.has(key));
  const isMoved = !readAlike(records);
  if (!isMoved && opened.length === 0 && went.length === 0) return {};
  const named = namedAfter(records, new Set(opened.map(([key]) => key)), { isMoved, isFull });
  return {
    ...(isMoved && { baseline: baselineOf(groundOf(after)) }),
    ...(opened.length > 0 && { policies: groupPolicies(opened) }),
    // A change that lists all policies by name needs no `closed`.
    ...(named === undefined &&
      some(
        'closed',
        went.filter((key) => isListed(key, after)),
      )),
    ...some(
      'gone',
      went.filter((key) => !isListed(key, after)),
    ),
    ...(named !== undefined && { named }),
  };
};

const acceptedOf = ({ acked }: ClusterRecord): string | null => acked?.revision ?? null;
const provenOf = ({ report }: ClusterRecord): string | null => report?.provenRevision ?? null;

/**
 * Whether the cluster is observed. If a report is missing, the other reports do not show the
 * current state.
 */
const isObserved = ({ notObserved, divergedSince }: ClusterRecord): boolean => notObserved === null && divergedSince === null;

const connectionBetween = (
  { time, opens }: { time: string; opens: boolean },
  { before, after }: RecordChange,
): HistoryChange | undefined => {
  const ends = before.connected && (opens || !after.connected);
  if (ends) return { time: before.lastSeen?.at ?? time, connected: false };
  return after.connected && !before.connected && !opens ? beginning(after, time) : undefined;
};

/**
 * Returns the change that begins a connection. The cluster counts as observed unless the change
 * says otherwise.
 */
const beginning = (record: ClusterRecord, time: string): HistoryChange => ({
  time,
  connected: true,
  ...(!isObserved(record) && { observed: false }),
});

const revisionsBetween = ({ before, after }: Pick<RecordChange, 'before' | 'after'>): Pick<HistoryChange, 'accepted' | 'proven'> => ({
  ...(acceptedOf(before) !== acceptedOf(after) && { accepted: acceptedOf(after) }),
  ...(provenOf(before) !== provenOf(after) && { proven: provenOf(after) }),
});

const factsBetween = ({ before, after }: RecordChange): Omit<HistoryChange, 'time'> => ({
  ...(isObserved(before) !== isObserved(after) && { observed: isObserved(after) }),
  ...revisionsBetween({ before, after }),
});

const unlessEmpty = (change: HistoryChange): HistoryChange | undefined => (Object.keys(change).length > 1 ? change : undefined);

/**
 * Returns what a change of a cluster's record adds to its history. A connection lasts from the
 * first report of the agent on its stream to the last sign of life, because its end may be noticed
 * late: after a pause of the hub's machine, or when another stream replaces it.
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
      return after.connected ? beginning(after, time) : undefined;
    case 'observed':
      return isObserved(before) === isObserved(after) ? undefined : { time, observed: isObserved(after) };
    case 'connected':
      return unlessEmpty({
        time,
        ...connectionBetween({ time, opens: change.opens === true }, records),
        // Statements of the previous agent no longer hold.
        ...(change.isNew === true && { ...revisionsBetween(records), ...policiesBetween(records, false) }),
      });
    default:
      return unlessEmpty({ time, ...factsBetween(records), ...policiesBetween(records, change.type === 'report' && change.report.full) });
  }
};

/** Returns the state of a cluster as a change from an empty history. */
export const fullChange = (record: ClusterRecord, time: string): HistoryChange => {
  const names = [...namedIn(record.policies).keys()].flatMap((key) => {
    const report = record.policies.get(key);
    return report === undefined ? [] : [[key, stateOf(report)] as const];
  });
  return {
    time,
    connected: record.connected,
    ...(!isObserved(record) && { observed: false }),
    accepted: acceptedOf(record),
    proven: provenOf(record),
    baseline: baselineOf(groundOf(record)),
    ...(names.length > 0 && { policies: groupPolicies(names) }),
    named: [],
  };
};
