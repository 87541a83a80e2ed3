import { z } from 'zod';
import { byText } from '../../encoding/index.ts';
import { CombinedRule, Effect, type Effects, type Plan } from '../plan.ts';
import { WORKLOAD_CLASSES, WorkloadClass } from '../workloads.ts';

/**
 * Effects of a plan as they are stored and compared: names, regions, counts and digests. They
 * contain no texts of the change: neither those of its documents, nor names of policies, nor the
 * witnesses, reasons and fixes that are made from them.
 */

const Rule = CombinedRule.omit({ policies: true });
/** Rule of an effect without the policies behind it. */
export type PlannedRule = z.infer<typeof Rule>;

const PlannedEffect = Effect.pick({ clusters: true, action: true, verdict: true, breaks: true, usable: true, elsewhere: true }).extend({
  namespaces: z.array(z.string()).describe('Namespaces, and patterns of them.'),
  before: Rule.nullable(),
  after: Rule.nullable(),
  pending: z.boolean().describe('Whether a pod that had nodes has none any more.'),
});
/** Effect of a plan for the possible pods of some namespaces and clusters, without texts. */
export type PlannedEffect = z.infer<typeof PlannedEffect>;

const PlannedClass = WorkloadClass.omit({ owners: true }).extend({
  eased: z.int().min(1).optional(),
  owners: z
    .array(z.string())
    .optional()
    .describe('Kind, namespace and name of those that begin, as `Deployment web/api`; absent: the agent tells counts only.'),
  easedOwners: z.array(z.string()).optional().describe('Those of them whose next pods were refused before; absent: none is named.'),
});
/** Owners of one class in one cluster: counts, and names where the agent gives them. */
export type PlannedClass = z.infer<typeof PlannedClass>;

const PlannedWorkloads = z.object({ cluster: z.string(), outside: PlannedClass, refused: PlannedClass, pending: PlannedClass });
/** Effects of a plan on what runs in one cluster, by class. */
export type PlannedWorkloads = z.infer<typeof PlannedWorkloads>;

/** Whether an effect names a class of namespaces, such as `a-*-b`, and no single one. */
export const isPattern = (namespace: string): boolean => namespace.includes('*');

/**
 * Digest of the patterns by which clusters distinguish namespaces. In clusters with the same
 * digest, a pattern stands for the same namespaces.
 */
export const PatternDigest = z.object({ clusters: z.array(z.string()), digest: z.string() });
export type PatternDigest = z.infer<typeof PatternDigest>;

/** All effects of a plan as they are stored: what a later change may not exceed. */
export const PlannedEffects = z.object({
  effects: z.array(PlannedEffect),
  patterns: z.array(PatternDigest).describe('Digests of the patterns by which clusters tell namespaces apart, where an effect has one.'),
  workloads: z.array(PlannedWorkloads).describe('Clusters that answered with an owner in some class, before or after.'),
  notLookedAt: z.array(z.string()).describe('Clusters that were not looked at whole.'),
  answered: z.array(z.string()).optional().describe('Clusters that answered; absent: an older hub made the plan.'),
  notAnswered: z.array(z.string()).describe('Clusters that did not answer.'),
  partly: z.array(z.string()).describe('Clusters of whose owners some were not judged whole.'),
});
export type PlannedEffects = z.infer<typeof PlannedEffects>;

/** Clusters that effects name: those whose rules a change concerns. */
export const namedClusters = (
  effects: readonly { readonly clusters: readonly string[] }[],
  notLookedAt: readonly { readonly clusters: readonly string[] }[],
): readonly string[] => [...new Set([...effects, ...notLookedAt].flatMap(({ clusters }) => clusters))].sort(byText);

const ruleOf = (rule: Effect['before']): PlannedRule | null => rule && { regions: rule.regions, injected: rule.injected };

const effectOf = ({ clusters, namespaces, action, verdict, breaks, before, after, pending, usable, elsewhere }: Effect): PlannedEffect => ({
  ...{ clusters, action, verdict, breaks, usable, elsewhere },
  namespaces: namespaces.map(({ pattern }) => pattern),
  before: ruleOf(before),
  after: ruleOf(after),
  pending: pending !== null,
});

const nameOf = ({ kind, namespace, name }: NonNullable<WorkloadClass['owners']>[number]): string => `${kind} ${namespace}/${name}`;

const classOf = ({ owners, ...counts }: WorkloadClass): PlannedClass => {
  const eased = owners?.filter((owner) => owner.eased === true) ?? [];
  return { ...counts, ...(owners && { owners: owners.map(nameOf) }), ...(eased.length > 0 && { easedOwners: eased.map(nameOf) }) };
};

/** Extracts the parts of a plan that are stored. `patterns` are those of its comparison. */
export const plannedEffects = (
  { effects, notLookedAt }: Effects,
  { workloads, patterns }: Pick<Plan, 'workloads'> & { readonly patterns: readonly PatternDigest[] },
): PlannedEffects => {
  const { clusters = [], notAnswered = [] } = workloads ?? {};
  const some = clusters.filter((cluster) =>
    WORKLOAD_CLASSES.some((name) => cluster[name].begins + cluster[name].ends + (cluster[name].now ?? 0) > 0),
  );
  return {
    effects: effects.map(effectOf),
    patterns: [...patterns],
    workloads: some.map(({ cluster, outside, refused, pending }) => ({
      cluster,
      outside: classOf(outside),
      refused: classOf(refused),
      pending: classOf(pending),
    })),
    notLookedAt: notLookedAt.flatMap((each) => each.clusters),
    answered: clusters.map(({ cluster }) => cluster),
    notAnswered: notAnswered.flatMap((each) => each.clusters),
    partly: clusters.filter(({ coverage }) => coverage === 'Part').map(({ cluster }) => cluster),
  };
};
