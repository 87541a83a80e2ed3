import { isAsExpected, isShortReport, type PolicyReport, type PolicyState } from '@fso/shared/api';
import { weakMemo } from '@fso/shared/runtime';
import { type Baseline, isSameBaseline, isUneventful } from '@fso/shared/status';
import type { ClusterChange } from '../changes.ts';
import { ClusterPolicies, listIn, namedIn } from '../policies/index.ts';
import type { ClusterRecord, HistoryBaseline, HistoryChange } from '../types.ts';

/**
 * Returns the state of a policy. It is computed once per report, as many clusters share the reports
 * of policies that conform. A policy without its namespace does not conform.
 */
const stateOf: (report: PolicyReport) => PolicyState = weakMemo((report) => ({
  phase: report.phase,
  conforms: isShortReport(report) ? isAsExpected(report) && report.phase !== 'Pending' : isUneventful(report),
  violates: report.violations > 0,
  revision: report.revision ?? null,
}));

/** Serializes a state of a policy, equally for equal states. */
export const textOfState: (state: PolicyState) => string = weakMemo(
  ({ phase, conforms, violates, revision }) => `${phase} ${conforms} ${violates} ${revision ?? ''}`,
);

const isSameState = (before: PolicyReport | undefined, after: PolicyReport): boolean =>
  before !== undefined && textOfState(stateOf(before)) === textOfState(stateOf(after));

/** States in the order in which they first occur, each with its policies. */
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
  /** Keys of the policies that read differently in the two. */
  readonly keys: readonly string[];
}

/**
 * Returns the baseline and list by which policies read that are not known by name; null: there is
 * none, or its list is unknown, or was named by an agent and is not stored.
 */
const groundOf = ({ policies }: ClusterRecord): ClusterPolicies | null =>
  policies instanceof ClusterPolicies && !policies.list.isNamed ? policies : null;

/** Whether two baselines differ in nothing that the history has of them but their time. */
const isSameGround = (a: Baseline | null, b: Baseline | null): boolean =>
  isSameBaseline(a, b, ['list', 'missing', 'floor', 'gatekeeper', 'injection', 'gatekeeperNamespace']);

/**
 * Whether unnamed policies read alike in both records. Where neither list is known here, another
 * hub may have known the one before: what it wrote must not go on beyond its time either, as nobody
 * here knows what has expired since. By a list that an agent has named nothing was written.
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
 * Whether a policy reads by the list once it is not known by name; where the list is not known,
 * that is not known either.
 */
const isListed = (key: string, record: ClusterRecord): boolean => {
  const ground = groundOf(record);
  return ground === null ? record.baseline !== null && !key.includes('/') : ground.list.has(key);
};

/**
 * Policies that a change names at most beside those that changed, so that a search need not go
 * further back.
 */
const MAX_NAMED = 50;

interface Shift {
  /** Whether policies that are not known by name read differently. */
  readonly isMoved: boolean;
  /** Whether the report lists all policies that are known by name. */
  readonly isFull: boolean;
}

/**
 * Returns the other keys that are known by name, where a change lists all; undefined: it does not.
 */
const namedAfter = ({ before, after }: RecordChange, opened: ReadonlySet<string>, { isMoved, isFull }: Shift): string[] | undefined => {
  if (!isMoved && !isFull) return undefined;
  const names = namedIn(after.policies);
  // Whatever an older program wrote, all of it is over.
  const isFirst = isMoved && groundOf(before) === null && groundOf(after) !== null;
  if (!isFirst && names.size - opened.size > MAX_NAMED) return undefined;
  return [...names.keys()].filter((key) => !opened.has(key));
};

const some = <K extends string>(name: K, keys: readonly string[]): { readonly [key in K]?: readonly string[] } =>
  (keys.length > 0 ? { [name]: keys } : {}) as { readonly [key in K]?: readonly string[] };

/** Returns the report of a policy that is known by name, since the commit in its list. */
const reportByName = ({ policies }: ClusterRecord, key: string): PolicyReport | undefined =>
  namedIn(policies).has(key) ? policies.get(key) : undefined;

/** Returns what changed of policies; empty: nothing. */
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
    // Where all that is known by name is named, the others are not.
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
 * Whether the cluster is observed. While a report is missing, the others do not show its current
 * state.
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
 * Returns the change that begins a connection. Unless it says otherwise, the cluster counts as
 * observed.
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
 * Returns what a change of a cluster's record adds to its history. A stream counts from the moment
 * in which its agent has said how its cluster is, to the last sign of life: its end may be noticed
 * late, as after a pause of the hub's machine, or by the stream that replaces it.
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
        // What the agent before it said does not hold any more.
        ...(change.isNew === true && { ...revisionsBetween(records), ...policiesBetween(records, false) }),
      });
    default:
      return unlessEmpty({ time, ...factsBetween(records), ...policiesBetween(records, change.type === 'report' && change.report.full) });
  }
};

/** Returns the state of a cluster as a change from nothing. */
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
