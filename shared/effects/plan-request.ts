import { z } from 'zod';
import { Region, ResourceName } from '../api/index.ts';
import { MAX_PLAN_ID } from './acceptance/acceptance.ts';
import { BranchName } from './acceptance/planned-branch.ts';

/** Most bytes of a request for a plan, as JSON. */
export const MAX_PLAN_BYTES: number = 12 * 1024 * 1024;

/** Most bytes of a request that names a branch, as JSON. */
export const MAX_BRANCH_REQUEST_BYTES: number = 64 * 1024;

/** Files, or a branch, that are compared with the commit that a hub follows. */
export const PlanRequest = z.strictObject({
  branch: BranchName.optional().describe(
    'Branch of the policy repository whose newest commit the hub reads, in the place of files. Such a request has 64 KiB at most.',
  ),
  files: z
    .record(z.string().max(4096), z.string())
    .optional()
    .describe(
      'Texts of the policy repository by path, as they would be: 8 MiB in all, and otherwise as a commit of it is bounded. Others than policy files are passed over.',
    ),
  patch: z
    .boolean()
    .optional()
    .describe(
      'The files hold policies that take the place of those of the same name in the commit in force, or come to it. Default: they are the whole repository.',
    ),
  at: z.iso.datetime({ offset: true }).max(64).optional().describe('Policies that have expired then do not count. Default: now.'),
  clusters: z.array(ResourceName).max(10_000).optional().describe('Only these clusters. Absent: all.'),
  withoutClusters: z.array(ResourceName).max(10_000).optional().describe('As if these clusters were lost.'),
  accept: z
    .string()
    .max(MAX_PLAN_ID)
    .optional()
    .describe(
      'Id of a stored plan, as the trailer Accept-Effects of a commit names it: where something breaks, the effects are compared with it.',
    ),
  withoutRegions: z.array(Region).max(100).optional().describe('As if all nodes in these regions were lost.'),
});
export type PlanRequest = z.infer<typeof PlanRequest>;
