import type { Phase } from '@fso/shared/api';
import type { ClusterRecord } from '../../ledger/index.ts';

/**
 * The rule behind every count: an unknown state is not compliant. A cluster that is not connected,
 * or whose agent does not observe it, contributes at best `Pending`, whatever its last report says;
 * `Failed` stays.
 */

/** Whether what the hub has of a cluster is as it is now. */
export const isKnown = ({ connected, notObserved }: Pick<ClusterRecord, 'connected' | 'notObserved'>): boolean =>
  connected && notObserved === null;

/** Numbers of policies by phase. */
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

/** Creates counts of no policies, for {@link countPhase} to add to. */
export const noPhases = (): PhaseCounts => ({ total: 0, active: 0, failed: 0, pending: 0, expired: 0 });

/** Counts a policy by its phase. @param by 1 to count it, -1 to take it back */
export const countPhase = (counts: PhaseCounts, phase: Phase, by: 1 | -1 = 1): void => {
  counts.total += by;
  counts[FIELDS[phase]] += by;
};

/** The worst phase; a policy that no cluster should have is enforced nowhere, hence Pending. */
export const worstPhase = (counts: PhaseCounts): Phase => SEVERITY.find((phase) => counts[FIELDS[phase]] > 0) ?? 'Pending';
