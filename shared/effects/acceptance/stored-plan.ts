import { z } from 'zod';
import { pageOf } from '../../api/index.ts';
import { PLAN_RESULTS } from '../plan.ts';
import { PlanId } from './acceptance.ts';
import { PlanOutcome } from './plan-outcome.ts';
import { BranchTip } from './planned-branch.ts';
import { PlannedEffects } from './planned-effects.ts';

const Digest = z.string().regex(/^[0-9a-f]{64}$/);

/** A stored plan without its effects. */
export const StoredPlanSummary = z.object({
  id: PlanId,
  at: z.iso.datetime().describe('Time at which it was made.'),
  by: z.string().describe('Name of who made it.'),
  result: z.enum(PLAN_RESULTS).describe('Result of the plan, whether or not its effects were accepted.'),
  source: z.string().describe('Branch or tag that the hub follows.'),
  revision: z.string().describe('Commit that the change was compared with.'),
  branch: BranchTip.optional().describe('Branch that the hub read the change from. Absent: the caller sent it.'),
});
export type StoredPlanSummary = z.infer<typeof StoredPlanSummary>;

/** Effects of a stored plan, with the digests by which plans are compared. */
export const StoredEffects = PlannedEffects.extend({
  base: Digest.describe('SHA-256 of the policies and registrations that the change was compared with.'),
  after: Digest.optional().describe(
    'SHA-256 of the policies and registrations that the change gives the clusters that the plan names. Absent: it is of another time or of lost nodes, or an older hub made it.',
  ),
  change: Digest.describe('SHA-256 of the files of the change.'),
  options: Digest.describe('SHA-256 of the options of the plan.'),
});
export type StoredEffects = z.infer<typeof StoredEffects>;

/** Effects of a change as a hub stores them, without any text of the change. */
export const StoredPlan = z.object({ ...StoredPlanSummary.shape, ...StoredEffects.shape });
export type StoredPlan = z.infer<typeof StoredPlan>;

/**
 * API view of a stored plan, with its outcome: whether the commit in force gives the clusters what
 * was planned.
 */
export const StoredPlanView = StoredPlan.extend({ outcome: PlanOutcome.nullable().default(null).describe('null: the hub is older.') });
export type StoredPlanView = z.infer<typeof StoredPlanView>;

/** Page of the stored plans. */
export const StoredPlanPage = pageOf(StoredPlanSummary);

/** Most branches that a hub lists. */
export const MAX_BRANCHES = 50;

const BranchView = BranchTip.extend({
  plan: StoredPlanSummary.nullable().describe(
    'The last plan of the branch without options, for what the caller sees; its `branch` says of which commit. null: none is stored.',
  ),
});
/** Branch of the policy repository, with its last stored plan. */
export type BranchView = z.infer<typeof BranchView>;

/** Branches of the policy repository, beside the one that the hub follows. */
export const BranchList = z.object({
  items: z
    .array(BranchView)
    .max(MAX_BRANCHES)
    .describe('The first by name, without those whose names are too long, or have characters that cannot be seen.'),
  total: z.int().min(0).describe('Number of branches, listed or not.'),
  read: z.iso.datetime().describe('Time at which the repository was asked.'),
});
export type BranchList = z.infer<typeof BranchList>;
