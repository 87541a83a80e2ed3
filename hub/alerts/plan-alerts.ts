import { ALERT_SEVERITIES, type AlertName, type AlertSeverity } from '@fso/shared/api';
import { type AlertDraft, draftAlerts, fire, identityOf, readIdentity, type StoredAlert } from './alert.ts';
import type { CurrentIssues } from './issue.ts';

/** Time that a problem must last before it fires, and the severity of its alert. */
export interface AlertRuleSettings {
  readonly forMs: number;
  /** undefined to take the severity of the issue. */
  readonly severity: AlertSeverity | undefined;
}
/** Looks up the settings of an alert, from the alerts file or by default. */
export type AlertRules = (name: AlertName) => AlertRuleSettings;

/**
 * Most alerts of clusters that fire at the same time, to bound memory, ledger and answers. More of
 * them have one cause, or the hub is too small.
 */
export const MAX_FIRING = 20_000;
/**
 * Most firing alerts that are of no cluster: those of the hub, and of policies in all clusters.
 * Alerts of clusters cannot take their room.
 */
export const MAX_FIRING_OF_NONE = 1_000;

/** Current issues, and the alerts and pending problems of the previous evaluation. */
export interface AlertsInput {
  readonly issues: CurrentIssues;
  /** Firing alerts by identity. */
  readonly firing: ReadonlyMap<string, StoredAlert>;
  /**
   * Start of each problem that does not fire yet, in milliseconds since 1970, by identity.
   */
  readonly pending: ReadonlyMap<string, number>;
  /**
   * Milliseconds for which this hub has led. It may have begun with problems that another hub has
   * seen.
   */
  readonly ledMs: number;
  readonly rules: AlertRules;
  readonly nowMs: number;
}

/** Alerts that begin, end or change, and the problems that do not fire yet. */
export interface AlertsPlan {
  readonly fired: readonly StoredAlert[];
  readonly resolved: readonly StoredAlert[];
  /** Alerts that still fire, with another text. */
  readonly changed: readonly StoredAlert[];
  readonly pending: ReadonlyMap<string, number>;
  /**
   * Time at which the next problem has lasted long enough, in milliseconds since 1970; Infinity if
   * none is pending.
   */
  readonly nextMs: number;
}

function* allIssues({ hub, audit = [], policies = [], clusters = new Map() }: CurrentIssues) {
  yield* hub;
  yield* audit;
  yield* policies;
  for (const issues of clusters.values()) yield* issues;
}

/** Moves the start of problems that do not fire yet by a time in which no hub could see them. */
export const postpone = (pending: AlertsInput['pending'], ms: number): AlertsInput['pending'] =>
  ms === 0 ? pending : new Map([...pending].map(([identity, since]) => [identity, since + ms]));

/** Alerts about what agents report, in contrast to what the hub sees by itself. */
const REPORTED: ReadonlySet<AlertName> = new Set([
  'RevisionNotTrusted',
  'Tampered',
  'LockNotReady',
  'GatekeeperNotReady',
  'ClockSkewed',
  'NodesWithoutRegion',
  'NodesDisputed',
  'PolicyNotEnforced',
  'PolicyLockDegraded',
  'PolicyConflict',
  'RegionAmbiguous',
  'PolicyNotProven',
  'Violations',
  'RisksAppeared',
  'DenialsRise',
  'MoreAlerts',
]);

/** Whether issues of that part of the fleet are known, even if only from an earlier report. */
const isKnown = (
  { audit, policies, clusters, unknown }: CurrentIssues,
  { name, labels }: Pick<StoredAlert, 'name' | 'labels'>,
): boolean => {
  if (labels.cluster !== undefined) return clusters !== undefined && unknown?.has(labels.cluster) !== true;
  if (name === 'AuditLogInvalid') return audit !== undefined;
  return labels.policy === undefined || policies !== undefined;
};

/** Whether the current issues show if the problem of an alert persists: only then may it end. */
const isJudged = (issues: CurrentIssues, alert: StoredAlert): boolean => {
  const { name, labels } = alert;
  const cluster = labels.cluster ?? '';
  const isReportedBefore = issues.notObserved?.has(cluster) === true && REPORTED.has(name);
  const places = [cluster, `${cluster}/${labels.policy}`];
  const isUnknownRisk = name === 'RisksAppeared' && places.some((place) => issues.risksUnknown?.has(place) === true);
  const isUnknownDenial = name === 'DenialsRise' && issues.denialsUnknown?.has(cluster) === true;
  return isKnown(issues, alert) && !isReportedBefore && !isUnknownRisk && !isUnknownDenial;
};

const withRules = (drafts: Iterable<AlertDraft>, rules: AlertRules): Map<string, AlertDraft> => {
  const ruled = new Map<string, AlertDraft>();
  for (const draft of drafts) {
    const severity = rules(draft.name).severity ?? draft.severity;
    const changed = severity === draft.severity ? draft : { ...draft, severity, identity: identityOf({ ...draft, severity }) };
    ruled.set(changed.identity, changed);
  }
  return ruled;
};

const moreAlerts = (count: number): AlertDraft => {
  const identified = { name: 'MoreAlerts', severity: 'critical', labels: {} } as const;
  return {
    ...identified,
    identity: identityOf(identified),
    isCurrent: true,
    details: `And ${count} more than the ${MAX_FIRING} that are kept.`,
  };
};

const placeOf = ({ name, labels: { cluster, policy } }: Pick<StoredAlert, 'name' | 'labels'>): string => [name, cluster, policy].join('\n');

/**
 * Names, clusters and policies of alerts that fire under outdated labels or an outdated severity.
 * An alert that replaces one of them fires at once.
 */
const outdatedPlaces = (drafts: ReadonlyMap<string, AlertDraft>, firing: AlertsInput['firing']): ReadonlySet<string> =>
  new Set([...firing].flatMap(([identity, alert]) => (drafts.has(identity) ? [] : [placeOf(alert)])));

/** A problem that has lasted long enough. */
interface Due {
  readonly draft: AlertDraft;
  readonly since: number;
}

/**
 * Time in which agents return to a hub that has begun to lead, in milliseconds. Problems that
 * another hub has seen do not fire sooner.
 */
const RETURN_MS = 60_000;

/**
 * Pending problems whose state is not known now, as before the hub has read the repository.
 */
const unknownOf = (drafts: ReadonlyMap<string, AlertDraft>, { issues, pending }: AlertsInput): Map<string, number> =>
  new Map([...pending].filter(([identity]) => !(drafts.has(identity) || isKnown(issues, readIdentity(identity)))));

/**
 * Splits problems that do not fire yet into those that do from now on, and those that have to last
 * longer.
 */
const dueOf = (drafts: ReadonlyMap<string, AlertDraft>, input: AlertsInput) => {
  const { issues, firing, pending, ledMs, rules, nowMs } = input;
  const outdated = outdatedPlaces(drafts, firing);
  const replacesOutdated = (draft: AlertDraft): boolean => outdated.has(placeOf(draft));
  // A problem that its cluster cannot observe now must not begin to fire.
  const isObserved = ({ labels: { cluster } }: AlertDraft): boolean => cluster === undefined || issues.notObserved?.has(cluster) !== true;
  const waits = (draft: AlertDraft): boolean => pending.has(draft.identity) && isObserved(draft);
  const mayBegin = (draft: AlertDraft): boolean => draft.isCurrent || waits(draft) || replacesOutdated(draft);
  const due: Due[] = [];
  const waiting = unknownOf(drafts, input);
  let nextMs = Number.POSITIVE_INFINITY;
  for (const draft of drafts.values()) {
    const { identity, name } = draft;
    if (firing.has(identity) || !mayBegin(draft)) continue;
    // A clock that was set back must not lengthen the wait.
    const since = Math.min(pending.get(identity) ?? nowMs, nowMs);
    const { forMs } = rules(name);
    const at = replacesOutdated(draft) ? nowMs : Math.max(since + forMs, nowMs - ledMs + Math.min(forMs, RETURN_MS));
    if (at <= nowMs) due.push({ draft, since });
    else {
      waiting.set(identity, since);
      nextMs = Math.min(nextMs, at);
    }
  }
  return { due, waiting, nextMs };
};

const isOfCluster = ({ labels }: Pick<StoredAlert, 'labels'>): boolean => labels.cluster !== undefined;

/** Selects the most severe problems, as many as there is room for. */
const withRoom = (due: readonly Due[], room: number): Due[] =>
  due
    .toSorted((a, b) => ALERT_SEVERITIES.indexOf(a.draft.severity) - ALERT_SEVERITIES.indexOf(b.draft.severity))
    .slice(0, Math.max(0, room));

/**
 * Keeps the firing alerts within {@link MAX_FIRING}.
 *
 * @returns alerts that fire from now on, and the problems that wait for room
 */
const bound = (
  due: readonly Due[],
  firing: AlertsInput['firing'],
): { readonly fired: readonly AlertDraft[]; readonly rest: readonly Due[] } => {
  const { of = [], none = [] } = Object.groupBy(due, ({ draft }) => (isOfCluster(draft) ? 'of' : 'none'));
  const firingOf = [...firing.values()].filter(isOfCluster).length;
  const taken = [...withRoom(none, MAX_FIRING_OF_NONE - (firing.size - firingOf)), ...withRoom(of, MAX_FIRING - firingOf)];
  if (taken.length === due.length) return { fired: due.map(({ draft }) => draft), rest: [] };
  const isTaken = new Set(taken);
  return { fired: taken.map(({ draft }) => draft), rest: due.filter((one) => !isTaken.has(one)) };
};

/** Plans which alerts begin, end or change, from current issues and firing alerts. Pure. */
export const planAlerts = (input: AlertsInput): AlertsPlan => {
  const { issues, firing, nowMs } = input;
  const drafts = withRules(draftAlerts(allIssues(issues)).values(), input.rules);
  const { due, waiting, nextMs } = dueOf(drafts, input);
  const { fired, rest } = bound(due, firing);
  for (const { draft, since } of rest) waiting.set(draft.identity, since);
  const more = rest.length > 0 ? [moreAlerts(rest.length)] : [];
  for (const draft of more) drafts.set(draft.identity, draft);
  const begun = [...fired, ...more.filter(({ identity }) => !firing.has(identity))];
  const resolved: StoredAlert[] = [];
  const changed: StoredAlert[] = [];
  for (const [identity, alert] of firing) {
    const draft = drafts.get(identity);
    if (draft === undefined && isJudged(issues, alert)) resolved.push({ ...alert, endsAt: nowMs });
    if (draft !== undefined && draft.details !== alert.details) changed.push({ ...alert, details: draft.details });
  }
  return { fired: begun.map((draft) => fire(draft, nowMs)), resolved, changed, pending: waiting, nextMs };
};
