import { CONDITIONS, effectivePhase, isNamespaceMissing, type LockState, type PolicyInCluster, type PolicyReport } from '@fso/shared/api';
import { countPhase, noPhases, type PhaseCounts } from './phases.ts';

const LOCKS = ['admission', 'gatekeeper', 'binding'] as const;

/**
 * Sums over the clusters of one policy. Each can be decremented, so that a changed report costs one
 * step.
 */
export interface PolicyTally {
  readonly phases: PhaseCounts;
  connected: number;
  violations: number;
  /** Number of clusters in which no region is left. */
  conflicts: number;
  /** Number of governed namespaces in all clusters. */
  governed: number;
  /**
   * Number of clusters in which the policy governs no namespace, by whether their state is current.
   */
  readonly missing: { known: number; old: number };
  /** Number of clusters in each state of each lock. */
  readonly locks: Readonly<Record<(typeof LOCKS)[number], Map<LockState, number>>>;
  /** Number of clusters in which each namespace is governed. */
  readonly namespaces: Map<string, number>;
}

/** Creates the tally of a policy without clusters. */
export const emptyTally = (): PolicyTally => ({
  phases: noPhases(),
  connected: 0,
  violations: 0,
  conflicts: 0,
  governed: 0,
  missing: { known: 0, old: 0 },
  locks: { admission: new Map(), gatekeeper: new Map(), binding: new Map() },
  namespaces: new Map(),
});

/** Whether a report has the condition Conflict. */
export const isConflicting = ({ conditions }: Pick<PolicyReport, 'conditions'>): boolean =>
  conditions.some(({ type, status }) => type === CONDITIONS.conflict && status === 'True');

const countIn = <K>(counts: Map<K, number>, key: K, by: 1 | -1): void => {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
};

const countReport = (tally: PolicyTally, report: PolicyReport, by: 1 | -1): void => {
  tally.violations += by * report.violations;
  tally.governed += by * report.namespaces.length;
  if (isConflicting(report)) tally.conflicts += by;
  for (const lock of LOCKS) countIn(tally.locks[lock], report.enforcement[lock].state, by);
  for (const namespace of report.namespaces) countIn(tally.namespaces, namespace, by);
};

const countState = (tally: PolicyTally, row: PolicyInCluster, by: 1 | -1): void => {
  countPhase(tally.phases, effectivePhase(row), by);
  if (row.fresh) tally.connected += by;
  if (row.report !== null && isNamespaceMissing(row.report)) tally.missing[row.fresh ? 'known' : 'old'] += by;
};

/** Replaces the contribution of a cluster. */
export const recount = (tally: PolicyTally, before: PolicyInCluster | undefined, now: PolicyInCluster | undefined): void => {
  if (before) countState(tally, before, -1);
  if (now) countState(tally, now, 1);
  // A new or ended connection leaves the report unchanged.
  if (before?.report === now?.report) return;
  if (before?.report) countReport(tally, before.report, -1);
  if (now?.report) countReport(tally, now.report, 1);
};
