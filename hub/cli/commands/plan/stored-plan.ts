import type { StoredPlan } from '@fso/shared/effects';
import { listText, shortRevision } from '@fso/shared/text';
import type { Context } from '../../context.ts';
import { type Column, renderTable, writeFacts } from '../../render/output.ts';

type StoredEffect = StoredPlan['effects'][number];
type StoredWorkloads = StoredPlan['workloads'][number];
type StoredClass = StoredWorkloads['outside'];

const regionsText = (rule: StoredEffect['before']): string => {
  if (rule === null) return 'any';
  return rule.regions.length === 0 ? 'none' : listText(rule.regions);
};

const EFFECTS: readonly Column<StoredEffect>[] = [
  { title: 'CLUSTERS', value: ({ clusters }) => listText(clusters) },
  { title: 'NAMESPACES', value: ({ namespaces }) => listText(namespaces) },
  { title: 'ACTION', value: ({ action }) => action },
  { title: 'CHANGE', value: ({ verdict }) => verdict },
  { title: 'BREAKS', value: ({ breaks }) => (breaks ? 'yes' : 'no') },
  { title: 'BEFORE', value: ({ before }) => regionsText(before) },
  { title: 'AFTER', value: ({ after }) => regionsText(after) },
];

/** `+2 -1`, and the owners that come, where agents name them. */
const classText = ({ begins, ends, owners = [] }: StoredClass): string =>
  `+${begins} -${ends}${owners.length === 0 ? '' : ` (${listText(owners)})`}`;

const WORKLOADS: readonly Column<StoredWorkloads>[] = [
  { title: 'CLUSTER', value: ({ cluster }) => cluster },
  { title: 'RUN OUTSIDE', value: ({ outside }) => classText(outside) },
  { title: 'REFUSED AT NEXT START', value: ({ refused }) => classText(refused) },
  { title: 'WOULD STAY PENDING', value: ({ pending }) => classText(pending) },
];

const named = (clusters: readonly string[]): string | undefined => (clusters.length === 0 ? undefined : listText(clusters));

/** Writes a stored plan: what was planned, by whom, and its effects. */
export const writeStoredPlan = (context: Context, plan: StoredPlan): void => {
  writeFacts(context, [
    ['Plan', plan.id],
    ['Made', `${plan.at} by ${plan.by}`],
    ['Branch', plan.branch && `${plan.branch.name} (${shortRevision(plan.branch.revision)})`],
    ['Compared with', `${plan.source} (${shortRevision(plan.revision)})`],
    ['Result', plan.result],
    ['Not looked at', named(plan.notLookedAt)],
    ['Not answered', named(plan.notAnswered)],
    ['Not judged whole', named(plan.partly)],
  ]);
  const table = <T>(columns: readonly Column<T>[], rows: readonly T[]): void => {
    if (rows.length > 0) context.out(`\n${renderTable(columns, rows, context.paint)}`);
  };
  table(EFFECTS, plan.effects);
  table(WORKLOADS, plan.workloads);
};
