import { type Enforcement, effectivePhase, type LockCounts, type LockState, type Phase, type PolicyInCluster } from '@fso/shared/api';
import { WORST_FIRST } from '../lock-counts.ts';

/**
 * Clusters of one policy, filtered and sorted in the browser, since the hub sends all of them at
 * once.
 */

const LOCKS = ['admission', 'binding', 'gatekeeper'] as const satisfies readonly (keyof Enforcement)[];
/** Part of a lock with its own state in each report. */
export type LockName = (typeof LOCKS)[number];

/**
 * Age of the known state.
 *
 * - now: current
 * - last: from the last report of a cluster that is not connected or not observed
 * - never: no report yet
 */
type Knowledge = 'now' | 'last' | 'never';

/** Policy in one cluster, with the phase that counts and the age of its state. */
export interface ClusterRow extends PolicyInCluster {
  /**
   * Phase that the cluster counts as. A cluster that is not connected is at best pending, because
   * its current state is unknown.
   */
  readonly phase: Phase;
  readonly known: Knowledge;
}

const knownOf = ({ fresh, report }: PolicyInCluster): Knowledge => {
  if (report === null) return 'never';
  return fresh ? 'now' : 'last';
};

export const toClusterRows = (clusters: readonly PolicyInCluster[]): ClusterRow[] =>
  clusters.map((cluster) => ({ ...cluster, phase: effectivePhase(cluster), known: knownOf(cluster) }));

const statesOf = ({ report }: ClusterRow): LockState[] => LOCKS.flatMap((lock) => report?.enforcement[lock].state ?? []);

/** Whether every lock that applies is currently known to be enforced. */
const isEnforced = (row: ClusterRow): boolean =>
  row.known === 'now' && statesOf(row).every((state) => state === 'Enforced' || state === 'NotApplicable');

interface RowFilter {
  /** Part of the cluster's name. */
  readonly q?: string | undefined;
  readonly phase?: Phase | undefined;
  /**
   * State of the locks. other: not known to be enforced. A lock state: at least one lock last
   * reported it.
   */
  readonly locks?: 'enforced' | 'other' | LockState | undefined;
  readonly known?: Knowledge | undefined;
}

const hasLocks = (row: ClusterRow, locks: RowFilter['locks']): boolean => {
  if (locks === undefined) return true;
  if (locks === 'enforced' || locks === 'other') return isEnforced(row) === (locks === 'enforced');
  return statesOf(row).includes(locks);
};

export const filterRows = (rows: readonly ClusterRow[], { q = '', phase, locks, known }: RowFilter): ClusterRow[] =>
  rows.filter(
    (row) =>
      row.cluster.toLowerCase().includes(q.toLowerCase()) &&
      (phase === undefined || row.phase === phase) &&
      (known === undefined || row.known === known) &&
      hasLocks(row, locks),
  );

const PHASES: readonly Phase[] = ['Failed', 'Pending', 'Active', 'Expired'];

const lockOrder =
  (lock: LockName) =>
  (row: ClusterRow): number =>
    row.report === null ? -1 : WORST_FIRST.indexOf(row.report.enforcement[lock].state);

/** Sort values of the columns, the most urgent first. Rows with equal values are sorted by name. */
const ORDERS: Readonly<Record<string, (row: ClusterRow) => number>> = {
  cluster: () => 0,
  phase: ({ phase }) => PHASES.indexOf(phase),
  admission: lockOrder('admission'),
  binding: lockOrder('binding'),
  gatekeeper: lockOrder('gatekeeper'),
  namespaces: ({ report }) => report?.namespaces.length ?? -1,
  violations: ({ report }) => report?.violations ?? -1,
};

/** @param sort key of a column, with `-` before it for descending order; by name if unknown */
export const sortRows = (rows: readonly ClusterRow[], sort: string): ClusterRow[] => {
  const order = ORDERS[sort.replace(/^-/, '')] ?? (() => 0);
  const sign = sort.startsWith('-') ? -1 : 1;
  return rows.toSorted((a, b) => sign * (order(a) - order(b) || a.cluster.localeCompare(b.cluster, 'en')));
};

interface RowCounts {
  readonly phases: Readonly<Record<Phase, number>>;
  readonly known: Readonly<Record<Knowledge, number>>;
  readonly locks: Readonly<Record<LockName, LockCounts>>;
}

/** Counts rows by phase and by state of each lock. */
export const countRows = (rows: readonly ClusterRow[]): RowCounts => {
  const phases = { Active: 0, Failed: 0, Pending: 0, Expired: 0 };
  const known = { now: 0, last: 0, never: 0 };
  const locks: Record<LockName, LockCounts> = { admission: {}, binding: {}, gatekeeper: {} };
  for (const row of rows) {
    phases[row.phase] += 1;
    known[row.known] += 1;
    for (const lock of row.report === null ? [] : LOCKS) {
      const state = row.report?.enforcement[lock].state;
      if (state !== undefined) locks[lock][state] = (locks[lock][state] ?? 0) + 1;
    }
  }
  return { phases, known, locks };
};
