import type { RiskClass } from '@fso/shared/api';
import type { ClassOutcome, ClusterOutcome, PlanOutcome, StoredPlan, UnknownReason } from '@fso/shared/effects';
import type { PlanMatch } from '../../../plans/index.ts';
import type { ListInput } from '../../http/paging.ts';
import { type ClusterEntry, risksKnownOf } from '../cluster-entry.ts';
import type { Fleet } from '../fleet-index.ts';
import { countOutsideWhere, countRisksWhere, hasUnjudged } from './reported-owners.ts';

type PlannedWorkloads = StoredPlan['workloads'][number];
type PlannedClass = PlannedWorkloads['outside'];

/** Returns the reason why the outcome of a commit in a cluster is unknown; null: it is known. */
const unknownOf = (entry: ClusterEntry | undefined, revision: string | null): UnknownReason | null => {
  if (entry === undefined || !entry.record.connected) return 'NotConnected';
  const { notObserved, divergedSince, acked, report } = entry.record;
  if (notObserved !== null || divergedSince !== null) return 'NotObserved';
  if (acked?.revision !== revision || report?.revision !== revision) return 'NotTaken';
  const known = risksKnownOf(entry);
  return known === undefined || known === 'Unknown' || hasUnjudged(entry) ? 'NotJudged' : null;
};

const NONE: PlannedClass = { now: 0, after: 0, begins: 0, ends: 0 };

/** Predictions for a cluster; undefined: its agent did not answer or was not asked. */
const plannedIn = ({ workloads, answered = [] }: StoredPlan, cluster: string): Omit<PlannedWorkloads, 'cluster'> | undefined =>
  workloads.find((each) => each.cluster === cluster) ??
  (answered.includes(cluster) ? { outside: NONE, refused: NONE, pending: NONE } : undefined);

const predictedOf = (planned: PlannedClass | undefined): ClassOutcome['predicted'] =>
  planned === undefined ? null : { now: planned.now, after: planned.after, begins: planned.begins, ends: planned.ends };

type Counted = ReturnType<typeof countRisksWhere>;

const riskOutcome = (planned: PlannedClass | undefined, { from, to, named, isAllNamed }: Counted, isWhole: boolean): ClassOutcome => {
  const owners = planned?.owners ?? [];
  return {
    predicted: predictedOf(planned),
    reported: { from, to: isWhole ? to : null },
    there: owners.filter((owner) => named.has(owner)),
    missing: planned?.owners !== undefined && isAllNamed && isWhole ? owners.filter((owner) => !named.has(owner)) : null,
  };
};

const unknownClass = (planned: PlannedClass | undefined): ClassOutcome => ({
  predicted: predictedOf(planned),
  reported: null,
  there: [],
  missing: null,
});

interface OutcomeInput {
  readonly plan: StoredPlan;
  readonly match: PlanMatch;
}

/** Compares the outcome in a cluster with the prediction. Pure. */
const clusterOutcome = (cluster: string, entry: ClusterEntry | undefined, { plan, match }: OutcomeInput): ClusterOutcome => {
  const planned = plannedIn(plan, cluster);
  const unknown = unknownOf(entry, match.revision);
  if (entry === undefined || unknown !== null)
    return {
      ...{ cluster, unknown },
      outside: unknownClass(planned?.outside),
      refused: unknownClass(planned?.refused),
      pending: unknownClass(planned?.pending),
    };
  const isChanged = match.changedIn(cluster);
  const isKept = entry.record.notKept === null;
  const isJudged = isKept && risksKnownOf(entry) === 'True';
  const { from, to } = countOutsideWhere(entry, isChanged);
  const atRisk = (risk: RiskClass, own: PlannedClass | undefined) => riskOutcome(own, countRisksWhere(entry, risk, isChanged), isJudged);
  return {
    cluster,
    unknown,
    outside: { ...unknownClass(planned?.outside), reported: { from, to: isKept ? to : null } },
    refused: atRisk('Refused', planned?.refused),
    pending: atRisk('Pending', planned?.pending),
  };
};

/**
 * Determines the outcome of a stored plan after the merge, from the last reports of its clusters.
 *
 * @throws the signal's reason
 */
export const outcomeOf = async (input: OutcomeInput, fleet: Fleet, { work, signal }: ListInput): Promise<PlanOutcome> => {
  const { state, revision, clusters: names } = input.match;
  // Read before the first pause: after it the index may have changed.
  const entries = names.map((name) => [name, fleet.cluster(name)] as const);
  const clusters: ClusterOutcome[] = [];
  await work.each(entries, ([name, entry]) => clusters.push(clusterOutcome(name, entry, input)), signal, 1);
  return { state, revision, clusters };
};
