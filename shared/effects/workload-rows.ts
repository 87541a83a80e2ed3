import { count } from '../runtime/text.ts';
import type { Plan } from './plan.ts';
import { type ClusterWorkloads, WORKLOAD_CLASSES, type WorkloadClass, worseOff } from './workloads.ts';

/** Lines on the workloads of a plan, which table, Markdown and dashboard share. */

type Workloads = Plan['workloads'];
type ClassName = (typeof WORKLOAD_CLASSES)[number];

/** A cluster in which the change affects running workloads. */
interface WorkloadRow extends Readonly<Record<ClassName, string>> {
  readonly cluster: string;
  readonly lookedAt: string;
}

/** An owner that the change brings into a class. */
interface OwnerRow {
  readonly cluster: string;
  readonly owner: string;
  readonly comes: string;
  readonly reason: string;
  readonly policies: string;
  readonly fix: string;
}

/** `3 (+2 -1)`: three owners afterwards, two come and one goes. */
const classText = ({ after, begins, ends }: WorkloadClass): string => {
  const change = [...(begins > 0 ? [`+${begins}`] : []), ...(ends > 0 ? [`-${ends}`] : [])].join(' ');
  if (after === null) return change === '' ? '0' : change;
  return change === '' ? `${after}` : `${after} (${change})`;
};

const lookedAtText = (lookedAt: { readonly owners: number; readonly pods: number } | null): string =>
  lookedAt === null ? '' : `${lookedAt.owners} owners, ${lookedAt.pods} pods`;

/** Rows of the clusters in which the change affects running workloads. */
export const workloadRows = (workloads: Workloads): readonly WorkloadRow[] =>
  (workloads?.clusters ?? [])
    .filter((cluster) => WORKLOAD_CLASSES.some((name) => cluster[name].begins + cluster[name].ends > 0))
    .map(({ cluster, lookedAt, outside, refused, pending }) => ({
      cluster,
      outside: classText(outside),
      refused: classText(refused),
      pending: classText(pending),
      lookedAt: lookedAtText(lookedAt),
    }));

/** Columns of the table of clusters whose workloads a change concerns. */
export const WORKLOAD_COLUMNS = [
  { title: 'CLUSTER', value: ({ cluster }: WorkloadRow) => cluster },
  { title: 'RUN OUTSIDE', value: ({ outside }: WorkloadRow) => outside },
  { title: 'REFUSED AT NEXT START', value: ({ refused }: WorkloadRow) => refused },
  { title: 'WOULD STAY PENDING', value: ({ pending }: WorkloadRow) => pending },
  { title: 'LOOKED AT', value: ({ lookedAt }: WorkloadRow) => lookedAt },
];

const COMES: Readonly<Record<ClassName, string>> = { outside: 'runs outside', refused: 'refused', pending: 'stays pending' };

/** Text for an owner that stays pending and could not start before either. */
const EASED = 'stays pending, refused now';

/** Rows of the owners that come into a class, as far as agents name them. */
export const ownerRows = (workloads: Workloads): readonly OwnerRow[] =>
  (workloads?.clusters ?? []).flatMap((cluster) =>
    WORKLOAD_CLASSES.flatMap((name) =>
      (cluster[name].owners ?? []).map((owner) => ({
        cluster: cluster.cluster,
        owner: `${owner.kind} ${owner.namespace}/${owner.name}`,
        comes: owner.eased === true ? EASED : COMES[name],
        reason: owner.reason,
        policies: owner.policies.join(', '),
        fix: owner.fix,
      })),
    ),
  );

/** Columns of the table of owners that a change makes worse off. */
export const OWNER_COLUMNS = [
  { title: 'CLUSTER', value: ({ cluster }: OwnerRow) => cluster },
  { title: 'OWNER', value: ({ owner }: OwnerRow) => owner },
  { title: 'WOULD BE', value: ({ comes }: OwnerRow) => comes },
  { title: 'REASON', value: ({ reason }: OwnerRow) => reason },
  { title: 'POLICIES', value: ({ policies }: OwnerRow) => policies },
  { title: 'FIX', value: ({ fix }: OwnerRow) => fix },
];

/** Whether all workloads in the clusters that answered were judged. */
const isWhole = ({ result, notLookedAt, workloads }: Plan): boolean =>
  result !== 'NothingLookedAt' && notLookedAt.length === 0 && workloads?.clusters.every(({ coverage }) => coverage !== 'Part') === true;

/** Result of a plan for running workloads, with a count for each class. */
export const workloadVerdict = (plan: Plan): string => {
  const { clusters = [], notAnswered = [] } = plan.workloads ?? {};
  const missing = notAnswered.reduce((sum, each) => sum + each.clusters.length, 0);
  const unanswered = missing === 0 ? '' : ` ${count(missing, 'cluster')} did not answer.`;
  if (clusters.length === 0) return unanswered;
  const sumOf = (numberIn: (cluster: ClusterWorkloads) => number): number => clusters.reduce((sum, each) => sum + numberIn(each), 0);
  const [outside, refused, pending] = WORKLOAD_CLASSES.map((name) => sumOf((cluster) => worseOff(cluster, name)));
  const eased = sumOf((cluster) => cluster.pending.eased ?? 0);
  const instead = eased === 0 ? '' : ` ${count(eased, 'owner')} refused now would stay pending instead.`;
  if (outside === 0 && refused === 0 && pending === 0)
    return isWhole(plan)
      ? ` Nothing that runs in the ${count(clusters.length, 'cluster')} that answered gets worse.${instead}${unanswered}`
      : `${instead}${unanswered}`;
  return ` Of what runs, ${count(outside ?? 0, 'owner')} would be outside, ${refused} refused at the next start, and ${pending} stay pending.${instead}${unanswered}`;
};
