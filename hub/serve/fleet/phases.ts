import type { Phase } from '@fso/shared/api';
import type { ClusterRecord } from '../../ledger/index.ts';

/**
 * Rule behind every count: an unknown state is not compliant. A cluster that is not connected, or
 * whose agent does not observe it, counts as `Pending` at best, whatever its last report says.
 * `Failed` stays.
 */

/** Whether the hub's state of a cluster is current. */
export const isKnown = ({ connected, notObserved }: Pick<ClusterRecord, 'connected' | 'notObserved'>): boolean =>
  connected && notObserved === null;

/** Number of policies by phase. */
export interface PhaseCounts {
  total: number;
  active: number;
  failed: number;
  pending: number;
  expired: number;
}

/** Phases, the worst first. */
export const SEVERITY: readonly Phase[] = ['Failed', 'Pending', 'Active', 'Expired'];

const FIELDS = { Active: 'active', Failed: 'failed', Pending: 'pending', Expired: 'expired' } as const satisfies Record<
  Phase,
  keyof PhaseCounts
>;

/** Creates empty counts for {@link countPhase}. */
export const noPhases = (): PhaseCounts => ({ total: 0, active: 0, failed: 0, pending: 0, expired: 0 });

/** Counts policies by their phase. @param by number of them; negative to undo that */
export const countPhase = (counts: PhaseCounts, phase: Phase, by = 1): void => {
  counts.total += by;
  counts[FIELDS[phase]] += by;
};

/**
 * Returns the worst phase with a non-zero count, or Pending if all counts are zero: a policy that
 * applies to no cluster is enforced nowhere.
 */
export const worstPhase = (counts: PhaseCounts): Phase => SEVERITY.find((phase) => counts[FIELDS[phase]] > 0) ?? 'Pending';
