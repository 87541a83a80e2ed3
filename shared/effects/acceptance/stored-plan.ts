import { z } from 'zod';
import { pageOf } from '../../api/index.ts';
import { PLAN_RESULTS } from '../plan.ts';
import { PlanId } from './acceptance.ts';
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
});
export type StoredPlanSummary = z.infer<typeof StoredPlanSummary>;

/** Effects of a stored plan, with the digests by which plans are compared. */
export const StoredEffects = PlannedEffects.extend({
  base: Digest.describe('SHA-256 of the policies and registrations that the change was compared with.'),
  change: Digest.describe('SHA-256 of the files of the change.'),
  options: Digest.describe('SHA-256 of the options of the plan.'),
});
export type StoredEffects = z.infer<typeof StoredEffects>;

/** Effects of a change as a hub stores them, without any text of the change. */
export const StoredPlan = z.object({ ...StoredPlanSummary.shape, ...StoredEffects.shape });
export type StoredPlan = z.infer<typeof StoredPlan>;

/** Page of the stored plans. */
export const StoredPlanPage = pageOf(StoredPlanSummary);
