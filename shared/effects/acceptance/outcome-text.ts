import { count, listText, shortRevision } from '../../runtime/text.ts';
import { WORKLOAD_CLASSES } from '../workloads.ts';
import type { ClassOutcome, ClusterOutcome, PlanOutcome, ReportedOwners, UnknownReason } from './plan-outcome.ts';
import type { PlannedClass } from './planned-effects.ts';
import type { StoredPlanView } from './stored-plan.ts';

/** Texts on what happened after the merge of a planned change, which table and dashboard share. */

type ClassName = (typeof WORKLOAD_CLASSES)[number];

const CLASSES: Readonly<Record<ClassName, string>> = {
  outside: 'outside now',
  refused: 'refused at next start',
  pending: 'stays pending',
};

const UNKNOWN: Readonly<Record<UnknownReason, string>> = {
  NotConnected: 'no agent is connected',
  NotObserved: 'what its agent knows of it is out of date',
  NotTaken: 'it does not enforce the commit yet',
  NotJudged: 'its agent has not judged all owners yet',
};

/** A class of owners in a cluster, as predicted and as reported now. */
export interface OutcomeRow {
  readonly cluster: string;
  readonly class: string;
  readonly before: string;
  readonly predicted: string;
  readonly now: string;
  readonly compared: string;
  readonly owners: string;
}

/** `+2 -1`, and the owners that come, where agents name them. */
const plannedText = ({ begins, ends, owners = [] }: PlannedClass): string =>
  `+${begins} -${ends}${owners.length === 0 ? '' : ` (${listText(owners)})`}`;

/** Rows of the clusters whose workloads the plan expects to change. */
export const plannedRows = ({ workloads }: Pick<StoredPlanView, 'workloads'>) =>
  workloads
    .filter((cluster) => WORKLOAD_CLASSES.some((name) => cluster[name].begins + cluster[name].ends > 0))
    .map(({ cluster, outside, refused, pending }) => ({
      cluster,
      outside: plannedText(outside),
      refused: plannedText(refused),
      pending: plannedText(pending),
    }));

const predictedText = ({ after, begins, ends }: NonNullable<ClassOutcome['predicted']>): string =>
  after === null ? `+${begins} -${ends}` : `${after}`;

const reportedText = ({ from, to }: ReportedOwners): string => {
  if (to === null) return `at least ${from}`;
  return from === to ? `${to}` : `${from} to ${to}`;
};

/** @param isPartly whether the plan judged only some of the owners, so that there may be more */
const comparedText = ({ predicted, reported }: ClassOutcome, isPartly: boolean): string => {
  const after = predicted?.after ?? null;
  if (after === null || reported === null) return 'not known';
  const { from, to } = reported;
  if (from > after) return isPartly ? 'not known' : 'more than predicted';
  if (to !== null && to < after) return 'fewer than predicted';
  return from === to && !isPartly ? 'as predicted' : 'as far as known';
};

const ownersText = ({ there, missing }: ClassOutcome): string =>
  [
    ...(there.length === 0 ? [] : [`there: ${listText(there)}`]),
    ...(missing === null || missing.length === 0 ? [] : [`not there: ${listText(missing)}`]),
  ].join('; ');

/** Whether a class has no owner on either side, as far as is known. */
const isEmpty = ({ predicted, reported }: ClassOutcome): boolean =>
  (predicted === null || (predicted.begins + predicted.ends === 0 && (predicted.after ?? 0) === 0)) &&
  (reported === null || reported.to === 0);

const rowsOf = (outcome: ClusterOutcome, isPartly: boolean): readonly OutcomeRow[] => {
  const { cluster, unknown } = outcome;
  const nowIfUnknown = unknown === null ? undefined : `Unknown: ${UNKNOWN[unknown]}`;
  const shown = WORKLOAD_CLASSES.filter((name) => !isEmpty(outcome[name]));
  if (shown.length === 0 && nowIfUnknown !== undefined)
    return [{ cluster, class: 'all', before: '', predicted: '', now: nowIfUnknown, compared: 'not known', owners: '' }];
  return shown.map((name) => {
    const { predicted, reported } = outcome[name];
    return {
      cluster,
      class: CLASSES[name],
      before: predicted?.now?.toString() ?? '',
      predicted: predicted === null ? 'Unknown: no answer' : `${isPartly ? 'at least ' : ''}${predictedText(predicted)}`,
      now: nowIfUnknown ?? (reported === null ? '' : reportedText(reported)),
      compared: comparedText(outcome[name], isPartly),
      owners: ownersText(outcome[name]),
    };
  });
};

/** Rows of the clusters of a plan, one for each class. */
export const outcomeRows = ({ outcome, partly }: Pick<StoredPlanView, 'outcome' | 'partly'>): readonly OutcomeRow[] =>
  (outcome?.clusters ?? []).flatMap((each) => rowsOf(each, partly.includes(each.cluster)));

/** Columns of the table of {@link OutcomeRow}s in the CLI. */
export const OUTCOME_COLUMNS = [
  { title: 'CLUSTER', value: ({ cluster }: OutcomeRow) => cluster },
  { title: 'OWNERS', value: (row: OutcomeRow) => row.class },
  { title: 'BEFORE', value: ({ before }: OutcomeRow) => before },
  { title: 'PREDICTED', value: ({ predicted }: OutcomeRow) => predicted },
  { title: 'NOW', value: ({ now }: OutcomeRow) => now },
  { title: 'COMPARED', value: ({ compared }: OutcomeRow) => compared },
  { title: 'BY NAME', value: ({ owners }: OutcomeRow) => owners },
];

const inForceText = ({ revision, clusters }: PlanOutcome): string => {
  const unknown = clusters.filter((each) => each.unknown !== null);
  const where =
    unknown.length === 0
      ? 'All of them enforce it.'
      : `Not known of ${count(unknown.length, 'cluster')}: ${listText(unknown.map(({ cluster }) => cluster))}.`;
  return `In force: by commit ${shortRevision(revision)} the ${count(clusters.length, 'cluster')} of this plan get what was planned. ${where}`;
};

const DIFFERS = 'the commit in force differs from what was planned';

/** Sentence on the outcome of a stored plan; empty if an older hub sent the plan. */
export const outcomeText = ({ outcome }: Pick<StoredPlanView, 'outcome'>): string => {
  switch (outcome?.state) {
    case undefined:
      return '';
    case 'InForce':
      return inForceText(outcome);
    case 'Differs':
      return `Commit ${shortRevision(outcome.revision)} names this plan, and ${DIFFERS}: other changes came with it or after it.`;
    case 'NotInForce':
      return `Not in force: ${DIFFERS}. The change is not merged yet, or others came with it or after it.`;
    case 'NotComparable':
      return 'Not compared with what happened: the plan is of another time or of lost nodes, was made for another part of the fleet, or comes from an older hub.';
  }
};
