import { ALERT_SEVERITIES, type AlertName, type AlertSeverity } from '@fso/shared/api';
import { type AlertDraft, draftAlerts, fire, identityOf, type StoredAlert } from './alert.ts';
import type { CurrentIssues } from './issue.ts';

/** How long a problem must last, and how severe it is. */
export interface AlertRuleSettings {
  readonly forMs: number;
  /** undefined: as severe as the issue says. */
  readonly severity: AlertSeverity | undefined;
}
export type AlertRules = (name: AlertName) => AlertRuleSettings;

/** Alerts of clusters that fire at once; it bounds memory, ledger and answers. With more there is one cause, or the hub is too small. */
export const MAX_FIRING = 20_000;
/** The same for those of the hub and of policies wherever they are: clusters leave no less room for them. */
export const MAX_FIRING_OF_NONE = 1_000;

export interface AlertsInput {
  readonly issues: CurrentIssues;
  /** By identity. */
  readonly firing: ReadonlyMap<string, StoredAlert>;
  /** Since when problems last that do not fire yet: ms since 1970, by identity. */
  readonly pending: ReadonlyMap<string, number>;
  readonly rules: AlertRules;
  readonly nowMs: number;
}

export interface AlertsPlan {
  readonly fired: readonly StoredAlert[];
  readonly resolved: readonly StoredAlert[];
  /** Fire as before, and say something else. */
  readonly changed: readonly StoredAlert[];
  readonly pending: ReadonlyMap<string, number>;
  /** When the next problem has lasted long enough; Infinity: none is on its way. */
  readonly nextMs: number;
}

function* allIssues({ hub, audit = [], policies = [], clusters = new Map() }: CurrentIssues) {
  yield* hub;
  yield* audit;
  yield* policies;
  for (const issues of clusters.values()) yield* issues;
}

/** Moves the beginning of problems that do not fire yet by a time in which nobody looked. */
export const postpone = (pending: AlertsInput['pending'], ms: number): AlertsInput['pending'] =>
  ms === 0 ? pending : new Map([...pending].map(([identity, since]) => [identity, since + ms]));

/** What agents report, in contrast to what the hub sees by itself. */
const REPORTED: ReadonlySet<AlertName> = new Set([
  'Tampered',
  'LockNotReady',
  'GatekeeperNotReady',
  'PolicyNotEnforced',
  'PolicyLockDegraded',
  'PolicyConflict',
  'PolicyNotProven',
  'Violations',
  'MoreAlerts',
]);

/** Whether it is known now what the alert of a cluster is about. */
const isClusterJudged = ({ clusters, unknown, notObserved }: CurrentIssues, name: AlertName, cluster: string): boolean =>
  clusters !== undefined && unknown?.has(cluster) !== true && !(notObserved?.has(cluster) === true && REPORTED.has(name));

/** Whether it is known now what the alert is about. */
const isJudged = (issues: CurrentIssues, { name, labels }: StoredAlert): boolean => {
  const { audit, policies } = issues;
  if (labels.cluster !== undefined) return isClusterJudged(issues, name, labels.cluster);
  if (name === 'AuditLogInvalid') return audit !== undefined;
  return labels.policy === undefined || policies !== undefined;
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

/** What fires under labels or a severity that it no longer has. What fires in its place goes on with it. */
const outdatedPlaces = (drafts: ReadonlyMap<string, AlertDraft>, firing: AlertsInput['firing']): ReadonlySet<string> =>
  new Set([...firing].flatMap(([identity, alert]) => (drafts.has(identity) ? [] : [placeOf(alert)])));

/** A problem that has lasted long enough. */
interface Due {
  readonly draft: AlertDraft;
  readonly since: number;
}

/** Splits problems that do not fire yet into those that do from now on, and those that have to last longer. */
const dueOf = (drafts: ReadonlyMap<string, AlertDraft>, { issues, firing, pending, rules, nowMs }: AlertsInput) => {
  const outdated = outdatedPlaces(drafts, firing);
  const goesOn = (draft: AlertDraft): boolean => outdated.has(placeOf(draft));
  // What a cluster said before it went away, or says without knowing, begins nothing.
  const isObserved = ({ labels: { cluster } }: AlertDraft): boolean => cluster === undefined || issues.notObserved?.has(cluster) !== true;
  const waits = (draft: AlertDraft): boolean => pending.has(draft.identity) && isObserved(draft);
  const mayBegin = (draft: AlertDraft): boolean => draft.isCurrent || waits(draft) || goesOn(draft);
  const due: Due[] = [];
  const waiting = new Map<string, number>();
  let nextMs = Number.POSITIVE_INFINITY;
  for (const draft of drafts.values()) {
    const { identity, name } = draft;
    if (firing.has(identity) || !mayBegin(draft)) continue;
    // A clock that was set back makes nothing wait for longer.
    const since = Math.min(pending.get(identity) ?? nowMs, nowMs);
    const at = goesOn(draft) ? nowMs : since + rules(name).forMs;
    if (at <= nowMs) due.push({ draft, since });
    else {
      waiting.set(identity, since);
      nextMs = Math.min(nextMs, at);
    }
  }
  return { due, waiting, nextMs };
};

const isOfCluster = ({ labels }: Pick<StoredAlert, 'labels'>): boolean => labels.cluster !== undefined;

/** The most severe of them, as many as there is room for. */
const withRoom = (due: readonly Due[], room: number): Due[] =>
  due
    .toSorted((a, b) => ALERT_SEVERITIES.indexOf(a.draft.severity) - ALERT_SEVERITIES.indexOf(b.draft.severity))
    .slice(0, Math.max(0, room));

/** Keeps what fires within {@link MAX_FIRING}; the rest waits for room. @returns what fires from now on, and the rest */
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

/** Compares what is wrong with what fires. Pure. */
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
