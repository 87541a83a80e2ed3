import { OUTCOME_COLUMNS, outcomeRows, outcomeText, plannedRows, regionsText, type StoredPlanView } from '@fso/shared/effects';
import { listText, shortRevision } from '@fso/shared/text';
import type { Context } from '../../context.ts';
import { type Column, renderTable, writeFacts } from '../../render/output.ts';

type StoredEffect = StoredPlanView['effects'][number];

const EFFECTS: readonly Column<StoredEffect>[] = [
  { title: 'CLUSTERS', value: ({ clusters }) => listText(clusters) },
  { title: 'NAMESPACES', value: ({ namespaces }) => listText(namespaces) },
  { title: 'ACTION', value: ({ action }) => action },
  { title: 'CHANGE', value: ({ verdict }) => verdict },
  { title: 'BREAKS', value: ({ breaks }) => (breaks ? 'yes' : 'no') },
  { title: 'BEFORE', value: ({ before }) => regionsText(before) },
  { title: 'AFTER', value: ({ after }) => regionsText(after) },
];

const WORKLOADS: readonly Column<ReturnType<typeof plannedRows>[number]>[] = [
  { title: 'CLUSTER', value: ({ cluster }) => cluster },
  { title: 'RUN OUTSIDE', value: ({ outside }) => outside },
  { title: 'REFUSED AT NEXT START', value: ({ refused }) => refused },
  { title: 'WOULD STAY PENDING', value: ({ pending }) => pending },
];

const named = (clusters: readonly string[]): string | undefined => (clusters.length === 0 ? undefined : listText(clusters));

/** Prints a stored plan: its author, its effects, and its outcome after the merge. */
export const writeStoredPlan = (context: Context, plan: StoredPlanView): void => {
  writeFacts(context, [
    ['Plan', plan.id],
    ['Made', `${plan.at} by ${plan.by}`],
    ['Branch', plan.branch && `${plan.branch.name} (${shortRevision(plan.branch.revision)})`],
    ['Compared with', `${plan.source} (${shortRevision(plan.revision)})`],
    ['Outcome', outcomeText(plan) || undefined],
    ['Not looked at', named(plan.notLookedAt)],
    ['Not answered', named(plan.notAnswered)],
    ['Not judged whole', named(plan.partly)],
  ]);
  const table = <T>(columns: readonly Column<T>[], rows: readonly T[]): void => {
    if (rows.length > 0) context.out(`\n${renderTable(columns, rows, context.paint)}`);
  };
  table(EFFECTS, plan.effects);
  table(WORKLOADS, plannedRows(plan));
  table(OUTCOME_COLUMNS, outcomeRows(plan));
};
