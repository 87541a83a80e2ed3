import { z } from 'zod';
import { Beyond, PlanId } from './acceptance.ts';

/**
 * Name of a branch that a hub lists and plans: as in git-check-ref-format(1), without characters
 * that are invisible or reverse the direction of a text.
 */
export const BranchName: z.ZodString = z
  .string()
  .max(200)
  .regex(/^(?![-/.])(?!.*(?:\/\/|\/\.|\.\.|@\{|\.lock(?:\/|$)|[/.]$))[^\p{C}\p{Z}~^:?*[\\]+$/u, 'must be the name of a branch');

const CommitId = z.string().regex(/^[0-9a-f]{40}$/);

/** A branch at a commit that it pointed to. */
export const BranchTip = z.object({ name: BranchName, revision: CommitId.describe('Commit that the branch pointed to.') });
export type BranchTip = z.infer<typeof BranchTip>;

const Changes = z.array(Beyond).max(20);

const SincePlan = z.object({
  plan: PlanId.describe('The plan of the branch before this one.'),
  at: z.iso.datetime().describe('Time at which it was made.'),
  revision: CommitId.describe('Commit of the branch that it was made of.'),
  begins: Changes.describe('The first effects that are new, or go further.'),
  ends: Changes.describe('The first effects that are gone, or went further.'),
  unknown: z.array(z.string()).describe('Clusters that are not compared whole, as one of the plans does not know all of them.'),
});
/** Changes between two plans of a branch. */
export type SincePlan = z.infer<typeof SincePlan>;

const MAX_AHEAD = 1_000;

/** Facts about the branch of a plan. Its name and commit are in the side `after`. */
export const PlannedBranch = z.object({
  ahead: z
    .int()
    .min(0)
    .nullable()
    .describe(`Commits of the branch that the followed one does not have. null: not known, or more than ${MAX_AHEAD}.`),
  behind: z
    .int()
    .min(0)
    .nullable()
    .describe(
      'Commits from where the branch was left to the commit in force: what they changed reads as if the branch took it back. null: not known.',
    ),
  since: SincePlan.nullable().describe('Changes since the last stored plan of the branch with these options. null: there is none.'),
});
export type PlannedBranch = z.infer<typeof PlannedBranch>;
