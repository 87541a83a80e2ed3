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
const emptyTally = (): PolicyTally => ({
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

const countIn = <K>(counts: Map<K, number>, key: K, by: number): void => {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
};

const countReport = (tally: PolicyTally, report: PolicyReport, by: number): void => {
  tally.violations += by * report.violations;
  tally.governed += by * report.namespaces.length;
  if (isConflicting(report)) tally.conflicts += by;
  for (const lock of LOCKS) countIn(tally.locks[lock], report.enforcement[lock].state, by);
  for (const namespace of report.namespaces) countIn(tally.namespaces, namespace, by);
};

/** State of a policy in a cluster. */
type State = Pick<PolicyInCluster, 'fresh' | 'report'>;

/** @param by number of clusters in this state; negative to undo that */
const countState = (tally: PolicyTally, state: State, by: number): void => {
  countPhase(tally.phases, effectivePhase(state), by);
  const { fresh, report } = state;
  if (fresh) tally.connected += by;
  if (report === null) return;
  if (isNamespaceMissing(report)) tally.missing[fresh ? 'known' : 'old'] += by;
  countReport(tally, report, by);
};

/** Most reports whose clusters are not counted at once. Each is retained until then. */
const MAX_WAITING = 8;

/**
 * Counter of the clusters of one policy. Most clusters share a report, and changes are counted for
 * all clusters with the same report together.
 */
export class PolicyCounter {
  readonly #tally = emptyTally();
  /** Numbers of clusters that are not counted yet, by report. */
  readonly #current = new Map<PolicyReport | null, number>();
  readonly #old = new Map<PolicyReport | null, number>();

  /** Replaces the state of a cluster; undefined: it does not have the policy. */
  replace(before: State | undefined, now: State | undefined): void {
    if (before !== undefined) this.add(before, -1);
    if (now !== undefined) this.add(now, 1);
  }

  /** Adds clusters with the same state. @param by number of clusters; negative to undo that */
  add({ fresh, report }: State, by: number): void {
    const waiting = fresh ? this.#current : this.#old;
    waiting.set(report, (waiting.get(report) ?? 0) + by);
    if (waiting.size > MAX_WAITING) this.#count(waiting, fresh);
  }

  /** Returns the sums over all clusters. The same object each time, which later calls update. */
  tally(): Readonly<PolicyTally> {
    this.#count(this.#current, true);
    this.#count(this.#old, false);
    return this.#tally;
  }

  #count(waiting: Map<PolicyReport | null, number>, fresh: boolean): void {
    if (waiting.size === 0) return;
    for (const [report, by] of waiting) if (by !== 0) countState(this.#tally, { fresh, report }, by);
    waiting.clear();
  }
}
