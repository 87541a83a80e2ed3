import { isDeepStrictEqual } from 'node:util';
import type { AgentClusterReport } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import { alarmsIn, type Deviation, isWhole, type NamedPolicy, standingOf } from '@fso/shared/status';
import type { ReportBasis, Statement } from './policy-statements.ts';
import { applied, diffReports, type ReportDelta } from './report-delta.ts';

/**
 * Longest time for which news is held back, in ms. Most policies of a commit are proven within it.
 */
const HOLD_MS = 1_500;

/** State of a hub after it has received a report. */
export interface KnownState {
  /** undefined: it has nothing from this agent. */
  readonly ground: ReportBasis | null | undefined;
  readonly policies: Statement['policies'];
  readonly cluster: AgentClusterReport | undefined;
}

/** Statements that may be reported now. */
export interface ReportableStatements extends Statement {
  readonly cluster: AgentClusterReport;
  /** Whether events wait. */
  readonly hasEvents: boolean;
  /** Whether another commit is being written over the accepted one. */
  readonly isChanging: boolean;
  /** Whether everything has to be reported at once. */
  readonly isUrgent: boolean;
}

/** News to report now, and the policies that the hub has by name afterwards. */
export interface DueNews {
  readonly delta: ReportDelta;
  readonly policies: Statement['policies'];
}

const stateOf = (named: NamedPolicy): Deviation => (isWhole(named) ? standingOf(named) : named);

/** Whether both have the same alarms and violations. */
const isAsTroubled = (before: NamedPolicy | undefined, now: NamedPolicy): boolean => {
  const alarmsOf = (named: NamedPolicy): string => alarmsIn(stateOf(named)).join();
  return (before === undefined ? '' : alarmsOf(before)) === alarmsOf(now) && (before?.violations ?? 0) === now.violations;
};

/** Whether both enforce the same content. */
const isSameContent = (before: NamedPolicy, now: NamedPolicy): boolean => {
  const contentOf = (named: NamedPolicy) =>
    isWhole(named) ? [named.enforcementAction, named.effectiveRegions, named.namespaces, named.expiryDate] : [];
  return isDeepStrictEqual(contentOf(before), contentOf(now));
};

/**
 * Whether the progress of a policy may wait: it waits for a commit to be written and proven, or
 * still does.
 */
const mayWait = (before: NamedPolicy | undefined, now: NamedPolicy, isCommit: boolean): boolean => {
  if (now.phase !== 'Pending' || !isAsTroubled(before, now)) return false;
  if (before === undefined) return isCommit && !isWhole(now);
  return before.phase === 'Pending' && ((isCommit && !isWhole(now)) || isSameContent(before, now));
};

/**
 * Whether only the accepted commit of the cluster has changed, which its acknowledgement has
 * already reported.
 */
const isAcceptance = (before: AgentClusterReport | undefined, now: AgentClusterReport): boolean =>
  before !== undefined && isDeepStrictEqual({ ...before, revision: now.revision }, now);

/** Whether a new list was accepted that replaces one known to the hub. */
const isListNew = (before: KnownState['ground'], now: Statement['ground']): boolean =>
  before != null && now !== null && before.baseline.list !== now.baseline.list;

/** Difference between the news and the hub's state. */
interface Difference extends ReportDelta {
  /** Policies that may not wait. */
  readonly due: ReportDelta['named'];
  /**
   * Whether the expectation for policies that are not named has changed. Then no deviation may be
   * left out.
   */
  readonly isGroundNew: boolean;
  /** Whether a part of the news may wait. */
  readonly isHeld: boolean;
  /** Whether a part of the news may not wait. */
  readonly isDue: boolean;
}

const differenceOf = (news: ReportableStatements, before: KnownState): Difference => {
  const delta = diffReports(before.policies, news.policies);
  const isCommit = isListNew(before.ground, news.ground);
  const isReplacing = isCommit || news.isChanging;
  const due = new Map([...delta.named].filter(([key, named]) => !mayWait(before.policies.get(key), named, isReplacing)));
  const isClusterNew = !isDeepStrictEqual(news.cluster, before.cluster);
  const isAccepted = isClusterNew && isAcceptance(before.cluster, news.cluster);
  const isClusterDue = isClusterNew && !isAccepted;
  const isGroundNew = !isDeepStrictEqual(news.ground, before.ground);
  return {
    ...delta,
    due,
    isGroundNew,
    isHeld: due.size < delta.named.size || isCommit || isAccepted,
    isDue: due.size + delta.removed.length > 0 || news.hasEvents || news.isUrgent || isClusterDue || (isGroundNew && !isCommit),
  };
};

/**
 * Holds back transient news for a short time: that a commit is accepted, that its policies are
 * Pending, and their progress. Everything else, and the final result, is reported at once. Reports
 * of each step would be half of the hub's load for a commit. A new list is never reported without
 * the deviations from it.
 */
export class HoldBack {
  readonly #clock: Clock;
  /** Monotonic time since which news is held back, in ms. */
  #since: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Time in ms until held news is due; undefined if there is none. */
  get dueInMs(): number | undefined {
    return this.#since === undefined ? undefined : Math.max(0, this.#since + HOLD_MS - this.#clock.monotonicMs());
  }

  /** @returns the news that is due now; undefined if there is none, or it may wait */
  take(news: ReportableStatements, before: KnownState): DueNews | undefined {
    const { named, removed, due, isGroundNew, isHeld, isDue } = differenceOf(news, before);
    const now = this.#clock.monotonicMs();
    this.#since = isHeld ? (this.#since ?? now) : undefined;
    const isOver = this.#since !== undefined && now - this.#since >= HOLD_MS;
    if (!isDue && !isOver) return undefined;
    if (isGroundNew || isOver || news.isUrgent || due.size === named.size) {
      this.#since = undefined;
      return { delta: { named, removed }, policies: news.policies };
    }
    const delta = { named: due, removed };
    return { delta, policies: applied(before.policies, delta) };
  }
}
