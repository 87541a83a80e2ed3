import { isDeepStrictEqual } from 'node:util';
import type { AgentClusterReport } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import { alarmsIn, type Deviation, isWhole, type NamedPolicy, standingOf } from '@fso/shared/status';
import type { ReportBasis, Statement } from './policy-statements.ts';
import { applied, diffReports, type ReportDelta } from './report-delta.ts';

/**
 * Longest time that something is held back, in milliseconds: most policies of a commit are proven
 * before it ends.
 */
const HOLD_MS = 1_500;

/** State of a hub that has taken a report. */
export interface KnownState {
  /** undefined: nothing of this agent's. */
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
  /** Whether everything is to be reported at once. */
  readonly isUrgent: boolean;
}

/** News to report now, and the policies that the hub then has by name. */
export interface DueNews {
  readonly delta: ReportDelta;
  readonly policies: Statement['policies'];
}

const stateOf = (named: NamedPolicy): Deviation => (isWhole(named) ? standingOf(named) : named);

/** Whether what alerts people is the same in both. */
const isAsTroubled = (before: NamedPolicy | undefined, now: NamedPolicy): boolean => {
  const alarmsOf = (named: NamedPolicy): string => alarmsIn(stateOf(named)).join();
  return (before === undefined ? '' : alarmsOf(before)) === alarmsOf(now) && (before?.violations ?? 0) === now.violations;
};

/** Whether what is to be enforced where is the same in both. */
const isSameContent = (before: NamedPolicy, now: NamedPolicy): boolean => {
  const contentOf = (named: NamedPolicy) =>
    isWhole(named) ? [named.enforcementAction, named.effectiveRegions, named.namespaces, named.expiryDate] : [];
  return isDeepStrictEqual(contentOf(before), contentOf(now));
};

/**
 * Whether how far a policy is may wait: it waits for a commit to be written and proven, or goes on
 * to.
 */
const mayWait = (before: NamedPolicy | undefined, now: NamedPolicy, isCommit: boolean): boolean => {
  if (now.phase !== 'Pending' || !isAsTroubled(before, now)) return false;
  if (before === undefined) return isCommit && !isWhole(now);
  return before.phase === 'Pending' && ((isCommit && !isWhole(now)) || isSameContent(before, now));
};

/**
 * Whether only the accepted commit of a cluster has changed. Its acknowledgement has reported that
 * already.
 */
const isAcceptance = (before: AgentClusterReport | undefined, now: AgentClusterReport): boolean =>
  before !== undefined && isDeepStrictEqual({ ...before, revision: now.revision }, now);

/** Whether another list was accepted after one that the hub knows of. */
const isListNew = (before: KnownState['ground'], now: Statement['ground']): boolean =>
  before != null && now !== null && before.baseline.list !== now.baseline.list;

/** Difference between the news and what the hub knows. */
interface Difference extends ReportDelta {
  /** Policies that may not wait. */
  readonly due: ReportDelta['named'];
  /**
   * Whether policies that are not reported by name read otherwise: no deviation may be left out
   * then.
   */
  readonly isGroundNew: boolean;
  /** Whether a part may wait. */
  readonly isHeld: boolean;
  /** Whether a part may not wait. */
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
 * Holds back briefly what is expected to end: that a commit was accepted and its policies are
 * Pending, and their progress. The outcome is reported at once, and so is everything else; each
 * step in between would be another report, half of all that a commit brings the hub. A list is
 * never reported without what deviates from it.
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
