import { isDeepStrictEqual } from 'node:util';
import { type ClusterReport, isShortReport, type PolicyReport, policyKey } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import { alarmsOf } from './deviations.ts';
import type { Ground, Statement } from './policy-statements.ts';
import { applied, diffReports, type ReportDelta } from './report-delta.ts';

/** Longest time that something is held back, in milliseconds: most policies of a commit are proven before it ends. */
const HOLD_MS = 1_500;

/** State of a hub that has taken a report. */
export interface KnownState {
  /** undefined: nothing of this agent's. */
  readonly ground: Ground | null | undefined;
  readonly policies: ReadonlyMap<string, PolicyReport>;
  readonly cluster: ClusterReport | undefined;
}

/** All that may be said now. */
export interface News extends Statement {
  readonly cluster: ClusterReport;
  /** Whether events wait. */
  readonly hasEvents: boolean;
  /** Whether another commit is being written over the accepted one. */
  readonly isChanging: boolean;
  /** Whether everything is to be said at once. */
  readonly isUrgent: boolean;
}

/** News to report now, and the policies that the hub then has by name. */
export interface DueNews {
  readonly delta: ReportDelta;
  readonly policies: ReadonlyMap<string, PolicyReport>;
}

const troublesOf = (report: PolicyReport) => ({ violations: report.violations, alarms: alarmsOf(report) });

/** Returns the fields that are more than progress: what is to be enforced where, and what alerts people. */
const standingOf = (report: PolicyReport) => {
  const { enforcementAction, effectiveRegions, namespaces, expiryDate } = report;
  return { enforcementAction, effectiveRegions, namespaces, expiryDate, ...troublesOf(report) };
};

/** Whether a policy of the hub waits for a commit to be written and proven, or is proven before the rest of it is written. */
const isUnderWay = (before: PolicyReport | undefined, now: PolicyReport): boolean =>
  now.managedBy === 'hub' &&
  (now.phase === 'Pending' || isShortReport(now)) &&
  (before === undefined ? isDeepStrictEqual(troublesOf(now), NO_TROUBLES) : isDeepStrictEqual(troublesOf(now), troublesOf(before)));

const NO_TROUBLES = { violations: 0, alarms: [] };

const mayWait = (before: PolicyReport | undefined, now: PolicyReport, isCommit: boolean): boolean => {
  if (before !== undefined && (before.phase !== 'Pending' || now.phase !== 'Pending')) return false;
  if (isCommit && isUnderWay(before, now)) return true;
  return before !== undefined && isDeepStrictEqual(standingOf(before), standingOf(now));
};

/** Whether a cluster says nothing new but which commit it has accepted: its ack has said that, too. */
const isAcceptance = (before: ClusterReport | undefined, now: ClusterReport): boolean =>
  before !== undefined && isDeepStrictEqual({ ...before, revision: now.revision }, now);

/** Whether another list was accepted after one that the hub knows of. */
const isListNew = (before: KnownState['ground'], now: Statement['ground']): boolean =>
  before != null && now !== null && before.baseline.list !== now.baseline.list;

/** Difference between the news and what the hub knows. */
interface Difference extends ReportDelta {
  /** Policies that may not wait. */
  readonly due: readonly PolicyReport[];
  /** Whether policies that are not reported by name read otherwise: no deviation may be left out then. */
  readonly isGroundNew: boolean;
  /** Something may wait. */
  readonly isHeld: boolean;
  /** Something may not. */
  readonly isDue: boolean;
}

const differenceOf = (news: News, before: KnownState): Difference => {
  const delta = diffReports(before.policies, news.policies);
  const isCommit = isListNew(before.ground, news.ground);
  const isReplacing = isCommit || news.isChanging;
  const due = delta.policies.filter((report) => !mayWait(before.policies.get(policyKey(report)), report, isReplacing));
  const isClusterNew = !isDeepStrictEqual(news.cluster, before.cluster);
  const isAccepted = isClusterNew && isAcceptance(before.cluster, news.cluster);
  const isClusterDue = isClusterNew && !isAccepted;
  const isGroundNew = !isDeepStrictEqual(news.ground, before.ground);
  return {
    ...delta,
    due,
    isGroundNew,
    isHeld: due.length < delta.policies.length || isCommit || isAccepted,
    isDue: due.length + delta.removed.length > 0 || news.hasEvents || news.isUrgent || isClusterDue || (isGroundNew && !isCommit),
  };
};

/**
 * Holds back for a moment what is expected to end: that a commit was accepted and its policies are Pending, and how far they are. What
 * comes of it is said at once, and so is everything else; each step in between would be another report, half of all that a commit brings the
 * hub. A list is never said without what deviates from it.
 */
export class HoldBack {
  readonly #clock: Clock;
  /** Monotonic time since when something is held back, ms. */
  #since: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds until what is held back is due; undefined: nothing is. */
  get dueInMs(): number | undefined {
    return this.#since === undefined ? undefined : Math.max(0, this.#since + HOLD_MS - this.#clock.monotonicMs());
  }

  /** @returns what is due now; undefined: there is nothing, or it may wait */
  take(news: News, before: KnownState): DueNews | undefined {
    const { policies, removed, due, isGroundNew, isHeld, isDue } = differenceOf(news, before);
    const now = this.#clock.monotonicMs();
    this.#since = isHeld ? (this.#since ?? now) : undefined;
    const isOver = this.#since !== undefined && now - this.#since >= HOLD_MS;
    if (!isDue && !isOver) return undefined;
    if (isGroundNew || isOver || news.isUrgent || due.length === policies.length) {
      this.#since = undefined;
      return { delta: { policies, removed }, policies: news.policies };
    }
    const delta = { policies: due, removed };
    return { delta, policies: applied(before.policies, delta) };
  }
}
