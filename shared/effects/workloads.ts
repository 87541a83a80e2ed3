import { z } from 'zod';
import { PREVIEW_REFUSALS, PreviewedClass, PreviewedOwner, PreviewedPending, ResourceName } from '../api/index.ts';
import { byText } from '../encoding/index.ts';

/**
 * Reasons why nothing is known of the workloads of a cluster: those of its agent and of the hub.
 */
export const NOT_ANSWERED = [...PREVIEW_REFUSALS, 'NotConnected', 'NoAnswer', 'NotAsked', 'OutOfScope'] as const;
/** Reason why nothing is known of the workloads of a cluster. */
export type NotAnsweredReason = (typeof NOT_ANSWERED)[number];

const { now, after, begins, ends } = PreviewedClass.shape;

const WHOLE_CLUSTER = 'null: it is about the whole cluster, and the caller sees a part of it.';

/** Owners of one class in one cluster, before and after a change. */
export const WorkloadClass = z.object({
  now: now.nullable().describe(`Owners with the policies that are enforced. ${WHOLE_CLUSTER}`),
  after: after.nullable().describe(`Owners with the changed policies. ${WHOLE_CLUSTER}`),
  begins,
  ends,
  owners: z
    .array(z.object(PreviewedOwner.shape))
    .optional()
    .describe(
      'The first of those that begin, by namespace, kind and name: at most 200, and 3,000 in a plan, in equal shares for each class of each cluster that was asked. Absent: the agent tells counts only.',
    ),
});
export type WorkloadClass = z.infer<typeof WorkloadClass>;

/** Classes of effects on workloads, which are never added up. */
export const WORKLOAD_CLASSES = ['outside', 'refused', 'pending'] as const;

const ClusterWorkloads = z.object({
  cluster: ResourceName,
  observedAt: z.iso.datetime().describe('Time to which the answer applies, by the clock of the cluster.'),
  lookedAt: z
    .object({ namespaces: z.int().min(0), owners: z.int().min(0), pods: z.int().min(0) })
    .nullable()
    .describe(`The namespaces whose denying rule changes, with the owners and running pods there. ${WHOLE_CLUSTER}`),
  coverage: z
    .enum(['None', 'Part', 'Whole'])
    .describe(
      'Whole: all owners of the namespaces whose denying rule changes were judged. Part: some were not, and may be at risk. None: the cluster has no such namespace.',
    ),
  omitted: z.int().min(0).nullable().describe(`Owners there that were not judged whole, and may be at risk. ${WHOLE_CLUSTER}`),
  outside: WorkloadClass.describe('Owners with pods that run in a region that is not allowed.'),
  refused: WorkloadClass.describe('Owners whose next pods the locks would refuse.'),
  pending: WorkloadClass.extend({ eased: PreviewedPending.shape.eased }).describe(
    'Owners whose next pods would stay pending; capacity and volumes are not looked at.',
  ),
});
/** Answer of one agent: what a change does to the workloads of its cluster. */
export type ClusterWorkloads = z.infer<typeof ClusterWorkloads>;

const TeamWorkloads = z.object({
  team: z.string().nullable().describe('Label `team` of policies in the commit in force; null: of those without one, and of new ones.'),
  outside: z.int().min(0),
  refused: z.int().min(0),
  pending: z.int().min(0),
});
/** Number of owners that come into each class of workloads, for one team. */
export type TeamWorkloads = z.infer<typeof TeamWorkloads>;

/**
 * Counts the owners that come into each class, by the teams of the policies behind them. One with
 * policies of several teams counts for each. Pure.
 *
 * @param teamOf returns undefined for a policy without a team
 */
export const classesByTeam = (
  clusters: readonly ClusterWorkloads[],
  teamOf: (policy: string) => string | undefined,
): readonly TeamWorkloads[] => {
  const teams = new Map<string | null, { outside: number; refused: number; pending: number }>();
  const named = WORKLOAD_CLASSES.flatMap((name) =>
    clusters.flatMap((cluster) => (cluster[name].owners ?? []).map(({ policies }) => ({ name, policies }))),
  );
  for (const { name, policies } of named)
    for (const team of new Set(policies.map((policy) => teamOf(policy) ?? null))) {
      const counts = teams.get(team) ?? { outside: 0, refused: 0, pending: 0 };
      counts[name] += 1;
      teams.set(team, counts);
    }
  return [...teams]
    .map(([team, counts]) => ({ team, ...counts }))
    .sort((one, other) => Number(one.team === null) - Number(other.team === null) || byText(one.team ?? '', other.team ?? ''));
};

/** Workloads that run now in the clusters whose rules change, by the answers of their agents. */
export const Workloads = z.object({
  teams: z
    .array(TeamWorkloads)
    .default([])
    .describe(
      'Owners that begin, by team, as far as agents name them; what they do not name is in no team. One with policies of several teams counts for each.',
    ),
  clusters: z.array(ClusterWorkloads).describe('Clusters that answered, by name.'),
  notAnswered: z
    .array(z.object({ clusters: z.array(z.string()), reason: z.enum(NOT_ANSWERED), message: z.string() }))
    .describe('Clusters of whose workloads nothing is known: they never count as fine.'),
});
export type Workloads = z.infer<typeof Workloads>;

/**
 * Number of owners of a class that would be worse off. An owner that is refused now and would stay
 * pending is not: it cannot start either way, and after the change it can once there is a node.
 */
export const worseOff = (cluster: ClusterWorkloads, name: (typeof WORKLOAD_CLASSES)[number]): number =>
  Math.max(0, cluster[name].begins - (name === 'pending' ? (cluster.pending.eased ?? 0) : 0));

/** Whether a workload of the cluster would be worse off. */
export const isBreaking = (cluster: ClusterWorkloads): boolean => WORKLOAD_CLASSES.some((name) => worseOff(cluster, name) > 0);
