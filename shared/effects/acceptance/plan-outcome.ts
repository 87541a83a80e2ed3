import { z } from 'zod';
import { WorkloadClass } from '../workloads.ts';

/** Reasons for which the outcome in a cluster is not known. */
const UNKNOWN = ['NotConnected', 'NotObserved', 'NotTaken', 'NotJudged'] as const;
/** Reason for which the outcome of a plan in a cluster is not known. */
export type UnknownReason = (typeof UNKNOWN)[number];

const Count = z.int().min(0);

const ReportedOwners = z.object({
  from: Count,
  to: Count.nullable().describe('null: not all owners are judged, or not all that the cluster reports is kept.'),
});
/**
 * Bounds of the number of owners in a class, from the report of a cluster. Reports count owners by
 * policy, and for `outside` the pods.
 */
export type ReportedOwners = z.infer<typeof ReportedOwners>;

const ClassOutcome = z.object({
  predicted: WorkloadClass.omit({ owners: true }).nullable().describe('null: the cluster did not answer, or was not asked.'),
  reported: ReportedOwners.nullable().describe(
    'Owners now, in the namespaces whose denying rule changed. The bounds differ where several policies count the same owners, and in `outside`, of which pods are reported. null: not known.',
  ),
  there: z.array(z.string()).describe('Owners that the plan names and the cluster reports by name; it reports the first 20.'),
  missing: z
    .array(z.string())
    .nullable()
    .describe('Owners that the plan names and the cluster does not report. null: not known, as it does not report all by name.'),
});
/** Outcome of a plan for one class of owners in a cluster: as predicted, and as reported now. */
export type ClassOutcome = z.infer<typeof ClassOutcome>;

const ClusterOutcome = z.object({
  cluster: z.string(),
  unknown: z
    .enum(UNKNOWN)
    .nullable()
    .describe(
      'Why it is not known what happened there, so that nothing of it is counted. NotConnected, NotObserved: its agent is away, or does not know how the cluster is. NotTaken: the agent does not enforce the commit yet. NotJudged: it does, and has not judged all owners by it yet. null: it is known.',
    ),
  outside: ClassOutcome,
  refused: ClassOutcome,
  pending: ClassOutcome,
});
/** Outcome of a plan in one cluster, by class of owners. */
export type ClusterOutcome = z.infer<typeof ClusterOutcome>;

const STATES = ['InForce', 'Differs', 'NotInForce', 'NotComparable'] as const;

/** Outcome of a planned change after the merge. Classes are never added up. */
export const PlanOutcome = z.object({
  state: z
    .enum(STATES)
    .describe(
      'InForce: the clusters of the plan get from the commit in force what was planned. Differs: a commit names the plan by Accept-Effects, and they get something else. NotInForce: they get something else. NotComparable: the plan is of another time or of lost nodes, it was made for another part of the fleet, or an older hub made it.',
    ),
  revision: z.string().nullable().describe('The commit in force, or the newest one that names the plan. null: neither.'),
  clusters: z.array(ClusterOutcome).describe('The clusters of the plan, by name; empty unless the state is InForce.'),
});
export type PlanOutcome = z.infer<typeof PlanOutcome>;
