import { LOCK_STATES, type LockCounts, type LockState } from '@fso/shared/api';

/** State of a lock in all clusters of a policy, as last reported. */
interface LockSummary {
  /** Worst state, for the icon; null if no cluster has reported yet. */
  readonly worst: LockState | null;
  /** `498/500 enforced`, `not applicable` */
  readonly text: string;
  /** Other states: `1 degraded`, `1 not reported` */
  readonly rest: readonly string[];
}

const WORDS: Readonly<Record<LockState, string>> = {
  Enforced: 'enforced',
  Pending: 'pending',
  Degraded: 'degraded',
  Unavailable: 'unavailable',
  NotApplicable: 'not applicable',
};

/** States of a lock, the worst first. */
export const WORST_FIRST: readonly LockState[] = ['Degraded', 'Unavailable', 'Pending', 'Enforced', 'NotApplicable'];

/** @param total number of clusters that should have the policy or report it */
export const summariseLock = (counts: LockCounts, total: number): LockSummary => {
  const of = (state: LockState): number => counts[state] ?? 0;
  const reported = LOCK_STATES.reduce((sum, state) => sum + of(state), 0);
  if (reported === 0) return { worst: null, text: 'not reported', rest: [] };
  const worst = WORST_FIRST.find((state) => of(state) > 0) ?? null;
  if (of('NotApplicable') === total) return { worst, text: WORDS.NotApplicable, rest: [] };
  const missing = Math.max(0, total - reported);
  const rest = WORST_FIRST.filter((state) => state !== 'Enforced' && of(state) > 0).map((state) => `${of(state)} ${WORDS[state]}`);
  return {
    worst: missing > 0 && worst !== 'Degraded' && worst !== 'Unavailable' ? 'Pending' : worst,
    text: `${of('Enforced')}/${total} ${WORDS.Enforced}`,
    rest: missing > 0 ? [...rest, `${missing} not reported`] : rest,
  };
};

/** Whether two locks have the same number of clusters in each state. */
export const sameCounts = (a: LockCounts, b: LockCounts): boolean => LOCK_STATES.every((state) => (a[state] ?? 0) === (b[state] ?? 0));
