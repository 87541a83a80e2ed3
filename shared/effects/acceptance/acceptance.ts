import { z } from 'zod';

/** Longest id of a stored plan that is read from a commit, in characters: anyone may write it. */
export const MAX_PLAN_ID = 100;

/** Trailer of a commit that names the stored plan whose effects it accepts, in lower case. */
export const ACCEPT_EFFECTS = 'accept-effects';

/** Days for which a hub keeps a plan. */
export const PLAN_DAYS = 30;

/** Id of a stored plan: 96 random bits. */
export const PlanId: z.ZodString = z.string().regex(/^[0-9a-f]{24}$/, 'must be 24 hexadecimal digits');

/** Effects that an accepted plan does not have. */
export const Beyond = z.object({
  clusters: z.array(z.string()),
  message: z.string(),
  owners: z.array(z.string()).optional().describe('The first 20 of the owners that it does not have, where agents name them.'),
});
export type Beyond = z.infer<typeof Beyond>;

/** Results of a comparison with a stored plan; the first one alone accepts. */
const STATES = [
  'Accepted',
  'Beyond',
  'NoPlanId',
  'NotRead',
  'UnknownPlan',
  'ExpiredPlan',
  'OtherScope',
  'OtherBase',
  'OtherOptions',
] as const;

/** Comparison of a plan with the stored one whose effects the change accepts. */
export const Acceptance = z.object({
  state: z
    .enum(STATES)
    .describe(
      'Accepted: every effect is one of the stored plan. Beyond: some are not. NoPlanId: what the change names is no id. NotRead: fso does not know what the change names, as its repository does not have the commit in force. UnknownPlan: there is no such plan, or the caller does not see it. ExpiredPlan: it is too old. OtherScope, OtherBase, OtherOptions: it was made for another part of the fleet, from other policies or registrations, or with other options.',
    ),
  plan: PlanId.nullable().describe('null: NoPlanId or NotRead.'),
  by: z.string().nullable().describe('Name of who made the stored plan. null: NoPlanId, NotRead or UnknownPlan.'),
  at: z.iso.datetime().nullable().describe('Time at which it was made.'),
  beyond: z.array(Beyond).max(20).describe('The first effects that it does not have; empty unless the state is Beyond.'),
});
export type Acceptance = z.infer<typeof Acceptance>;
