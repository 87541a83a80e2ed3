import { CONDITIONS, effectivePhase, isNamespaceMissing, type LockCounts, type PolicyInCluster, type PolicyReport } from '@fso/shared/api';
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
  /** Clusters in which no region is left. */
  conflicts: number;
  /** Governed namespaces, over all clusters. */
  governed: number;
  /** Clusters that say that it governs no namespace, by whether what they say is as it is now. */
  readonly missing: { known: number; old: number };
  readonly locks: Readonly<Record<(typeof LOCKS)[number], LockCounts>>;
  /** Number of clusters in which each namespace is governed. */
  readonly namespaces: Map<string, number>;
}

/** Makes the tally of a policy without clusters. */
export const emptyTally = (): PolicyTally => ({
  phases: noPhases(),
  connected: 0,
  violations: 0,
  conflicts: 0,
  governed: 0,
  missing: { known: 0, old: 0 },
  locks: { admission: {}, gatekeeper: {}, binding: {} },
  namespaces: new Map(),
});

/** Whether a report has the condition Conflict. */
export const isConflicting = ({ conditions }: Pick<PolicyReport, 'conditions'>): boolean =>
  conditions.some(({ type, status }) => type === CONDITIONS.conflict && status === 'True');

const countLocks = ({ locks }: PolicyTally, { enforcement }: PolicyReport, by: 1 | -1): void => {
  for (const lock of LOCKS) {
    const { state } = enforcement[lock];
    const count = (locks[lock][state] ?? 0) + by;
    if (count === 0) delete locks[lock][state];
    else locks[lock][state] = count;
  }
};

const countNamespaces = ({ namespaces }: PolicyTally, report: PolicyReport, by: 1 | -1): void => {
  for (const namespace of report.namespaces) {
    const count = (namespaces.get(namespace) ?? 0) + by;
    if (count === 0) namespaces.delete(namespace);
    else namespaces.set(namespace, count);
  }
};

const countReport = (tally: PolicyTally, report: PolicyReport, by: 1 | -1): void => {
  tally.violations += by * report.violations;
  tally.governed += by * report.namespaces.length;
  if (isConflicting(report)) tally.conflicts += by;
  countLocks(tally, report, by);
  countNamespaces(tally, report, by);
};

const countState = (tally: PolicyTally, row: PolicyInCluster, by: 1 | -1): void => {
  countPhase(tally.phases, effectivePhase(row), by);
  if (row.fresh) tally.connected += by;
  if (row.report !== null && isNamespaceMissing(row.report)) tally.missing[row.fresh ? 'known' : 'old'] += by;
};

/** Takes back what a cluster contributed, and counts what it contributes now. */
export const recount = (tally: PolicyTally, before: PolicyInCluster | undefined, now: PolicyInCluster | undefined): void => {
  if (before) countState(tally, before, -1);
  if (now) countState(tally, now, 1);
  // A connection that comes or goes leaves every report as it was.
  if (before?.report === now?.report) return;
  if (before?.report) countReport(tally, before.report, -1);
  if (now?.report) countReport(tally, now.report, 1);
};
