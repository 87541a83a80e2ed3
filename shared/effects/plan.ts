import { z } from 'zod';
import { FLOOR_ACTIONS } from '../api/index.ts';
import { PlannedWaves } from '../rollout/index.ts';
import { Acceptance, PlanId } from './acceptance/acceptance.ts';
import { PlannedBranch } from './acceptance/planned-branch.ts';
import { isBreaking, Workloads } from './workloads.ts';

/** The part of a core/v1 PodSpec that a witness needs. */
export const WitnessPod = z
  .strictObject({ nodeSelector: z.record(z.string(), z.string()).describe('Its region; empty: it says nothing of its region.') })
  .describe('The part of a PodSpec that decides; everything else is free.');
export type WitnessPod = z.infer<typeof WitnessPod>;

const Refused = z.object({
  pod: WitnessPod,
  reason: z.string().describe('The failing part of the pod, as both locks name it.'),
  fix: z.string().describe('The line that mends it.'),
});

/** A rule: what the policies of one action demand together in a namespace. */
export const CombinedRule = z.object({
  regions: z.array(z.string()).describe('Regions that all policies of the action allow together, sorted; none: no pod may run.'),
  injected: z
    .array(z.string())
    .describe('Regions that placement injection gives to pods that say nothing of their region; none: it leaves them.'),
  policies: z.array(z.string()).describe('The policies behind it, sorted.'),
});
export type CombinedRule = z.infer<typeof CombinedRule>;

/** Changes of a rule, by the pods that it admits before and after. */
export const VERDICTS = ['tightened', 'loosened', 'incomparable', 'appears', 'disappears', 'unchanged'] as const;
/** Change of the set of pods that a rule admits, from before a planned change to after it. */
export const Verdict = z
  .enum(VERDICTS)
  .describe(
    'tightened: it admits fewer pods. loosened: more. incomparable: some that it refused, and refuses some that it admitted. appears, disappears: there was none, or there is none any more. unchanged: it admits the same pods.',
  );
export type Verdict = z.infer<typeof Verdict>;

/** Namespaces that the globs of all policies cannot tell apart. */
export const NamespaceClass = z.object({
  pattern: z.string().describe('A namespace, or a pattern of namespaces, without those that another entry names more closely.'),
  example: z.string().describe('A namespace of that pattern.'),
});
export type NamespaceClass = z.infer<typeof NamespaceClass>;

/** The change of one rule in some clusters and namespaces. */
export const Effect = z.object({
  clusters: z.array(z.string()),
  namespaces: z.array(NamespaceClass),
  action: z.enum(FLOOR_ACTIONS),
  verdict: Verdict,
  breaks: z.boolean().describe('Whether a pod that could run before cannot any more: deny refuses it, or it stays pending.'),
  before: CombinedRule.nullable().describe('null: no policy of this action governs the namespaces.'),
  after: CombinedRule.nullable(),
  refused: Refused.nullable().describe(
    'A pod that the rule admits before and refuses after; warn and dryrun only report it. null: there is none.',
  ),
  admitted: WitnessPod.nullable().describe('A pod that the rule refuses before and admits after. null: there is none.'),
  pending: WitnessPod.nullable().describe(
    'A pod that deny admits, that had nodes before and has none after. Capacity, volumes and pod affinity are not looked at. null: there is none.',
  ),
  usable: z
    .array(z.string())
    .nullable()
    .describe(
      'Allowed regions in which the clusters still have nodes, where there are fewer for a pod than before. null: there are as many.',
    ),
  elsewhere: z
    .array(z.string())
    .nullable()
    .describe(
      'Where no usable region is left: other clusters with a region that these policies and those there allow. null: some is left.',
    ),
});
export type Effect = z.infer<typeof Effect>;

const NotLookedAt = z.object({ clusters: z.array(z.string()), reason: z.string() });

/** Effects of a change on a fleet. */
export const Effects = z.object({
  lookedAt: z.object({
    clusters: z.int().min(0),
    policies: z.int().min(0).describe('Policies of either side that govern and have not expired.'),
    namespaces: z
      .int()
      .min(0)
      .describe('Namespaces and patterns that a change could concern, added up over clusters with the same policies.'),
  }),
  notLookedAt: z.array(NotLookedAt),
  effects: z.array(Effect).describe('What breaks first, then the strongest action, then by cluster and namespace.'),
});
export type Effects = z.infer<typeof Effects>;

const Side = z.object({
  source: z.string().describe('A revision as it was given, a branch, a folder, or files.'),
  revision: z.string().nullable().describe('Commit id; null: a folder, or files.'),
  at: z.iso.datetime().describe('Policies that have expired then do not count.'),
  withoutClusters: z.array(z.string()),
  withoutRegions: z.array(z.string()),
});

/** Results of a plan; only the first two end with exit code 0. */
export const PLAN_RESULTS = ['NothingBreaks', 'Accepted', 'Breaks', 'NotAllLookedAt', 'NotAllAnswered', 'NothingLookedAt'] as const;

/** A plan, as `fso plan -o json` writes it and the hub answers. */
export const Plan = Effects.extend({
  version: z.literal(1),
  id: PlanId.nullable()
    .default(null)
    .describe(
      'Names the effects where the hub stores them; if they are accepted, the stored plan that has them. null: nothing breaks and it is of no branch, no hub made the plan, it is too large to be stored, or the hub is older.',
    ),
  result: z.enum(PLAN_RESULTS).describe('Accepted: something breaks, and all effects are those of a stored plan that the change names.'),
  acceptance: Acceptance.nullable()
    .default(null)
    .describe('Comparison with the stored plan that the change names. null: it names none, or nothing breaks.'),
  before: Side,
  after: Side,
  waves: PlannedWaves.nullable()
    .default(null)
    .describe('Waves in which the change would reach the clusters. null: there is no RolloutStrategy, or the hub is older.'),
  branch: PlannedBranch.nullable().default(null).describe('null: the caller sent the change, no hub made the plan, or the hub is older.'),
  workloads: Workloads.nullable().describe('Workloads that run now. null: no cluster was asked; a pod that breaks is a possible one.'),
});
export type Plan = z.infer<typeof Plan>;

/** Answers of agents. */
type Answers = Omit<Workloads, 'teams'>;

/** Whether denying rules change, and no cluster that answered has a namespace in which they do. */
const isBlind = ({ effects }: Effects, { clusters }: Answers): boolean =>
  clusters.length > 0 && effects.some(({ action }) => action === 'deny') && clusters.every(({ coverage }) => coverage === 'None');

/**
 * The result of a plan. What was not looked at never counts as fine.
 *
 * @param workloads null if no cluster was asked
 */
export const planResult = (effects: Effects, workloads: Answers | null = null): Plan['result'] => {
  const { lookedAt, notLookedAt } = effects;
  if (effects.effects.some(({ breaks }) => breaks) || workloads?.clusters.some(isBreaking)) return 'Breaks';
  if (notLookedAt.length > 0 || workloads?.clusters.some(({ coverage }) => coverage === 'Part')) return 'NotAllLookedAt';
  if (workloads !== null && workloads.notAnswered.length > 0) return 'NotAllAnswered';
  const isNothing = lookedAt.clusters === 0 || lookedAt.policies === 0 || (workloads !== null && isBlind(effects, workloads));
  return isNothing ? 'NothingLookedAt' : 'NothingBreaks';
};
