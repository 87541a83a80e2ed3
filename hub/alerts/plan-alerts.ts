import type { AlertName, AlertSeverity } from '@fso/shared/api';
import { type AlertDraft, draftAlerts, fire, identityOf, type StoredAlert } from './alert.ts';
import type { CurrentIssues } from './issue.ts';

/** How long a problem must last, and how severe it is. */
export interface AlertRuleSettings {
  readonly forMs: number;
  /** undefined: as severe as the issue says. */
  readonly severity: AlertSeverity | undefined;
}
export type AlertRules = (name: AlertName) => AlertRuleSettings;

/** Alerts that fire at once; it bounds memory, ledger and answers. With more there is one cause, or the hub is too small. */
export const MAX_FIRING = 20_000;

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

function* allIssues({ hub, policies = [], clusters = new Map() }: CurrentIssues) {
  yield* hub;
  yield* policies;
  for (const issues of clusters.values()) yield* issues;
}

/** Whether it is known now what the alert is about. */
const isJudged = ({ hub, policies, clusters }: CurrentIssues, { labels }: StoredAlert): boolean => {
  if (labels.cluster !== undefined) return clusters !== undefined;
  return labels.policy === undefined ? hub !== undefined : policies !== undefined;
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

/** Splits problems that do not fire yet into those that do from now on, and those that have to last longer. */
const dueOf = (drafts: Iterable<AlertDraft>, { firing, pending, rules, nowMs }: AlertsInput) => {
  const due: AlertDraft[] = [];
  const waiting = new Map<string, number>();
  let nextMs = Number.POSITIVE_INFINITY;
  for (const draft of drafts) {
    // What a cluster said before it went away begins nothing.
    if (firing.has(draft.identity) || !(draft.isCurrent || pending.has(draft.identity))) continue;
    const since = pending.get(draft.identity) ?? nowMs;
    const at = since + rules(draft.name).forMs;
    if (at <= nowMs) due.push(draft);
    else {
      waiting.set(draft.identity, since);
      nextMs = Math.min(nextMs, at);
    }
  }
  return { due, waiting, nextMs };
};

/** Keeps what fires within {@link MAX_FIRING}; the rest is one more alert. @returns drafts and those of them that fire from now on */
const bound = (drafts: Map<string, AlertDraft>, due: readonly AlertDraft[], firing: AlertsInput['firing']): readonly AlertDraft[] => {
  const room = Math.max(0, MAX_FIRING - firing.size);
  if (due.length <= room) return due;
  const more = moreAlerts(due.length - room);
  drafts.set(more.identity, more);
  return [...due.slice(0, room), ...(firing.has(more.identity) ? [] : [more])];
};

/** Compares what is wrong with what fires. Pure. */
export const planAlerts = (input: AlertsInput): AlertsPlan => {
  const { issues, firing, nowMs } = input;
  const drafts = withRules(draftAlerts(allIssues(issues)).values(), input.rules);
  const { due, waiting, nextMs } = dueOf(drafts.values(), input);
  const fired = bound(drafts, due, firing).map((draft) => fire(draft, nowMs));
  const resolved: StoredAlert[] = [];
  const changed: StoredAlert[] = [];
  for (const [identity, alert] of firing) {
    const draft = drafts.get(identity);
    if (draft === undefined && isJudged(issues, alert)) resolved.push({ ...alert, endsAt: nowMs });
    if (draft !== undefined && draft.details !== alert.details) changed.push({ ...alert, details: draft.details });
  }
  return { fired, resolved, changed, pending: waiting, nextMs };
};
