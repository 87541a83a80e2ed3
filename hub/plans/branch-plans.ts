import type { RoleGrant } from '@fso/shared/api';
import { type BranchList, changesSince, MAX_BRANCH_REQUEST_BYTES, type SincePlan, type StoredEffects } from '@fso/shared/effects';
import { BranchError, type BranchFiles, type ListedBranches } from '../source/index.ts';
import { type PlanOptions, type PlanRefusal, readJson, refusePlan } from './read-request.ts';
import { isStorable, optionsDigest, planOf, type Stored, type StoredPlans } from './stored-plans.ts';

/** Branches of the policy repository other than the followed one. */
export interface RepositoryBranches {
  /** @throws BranchError */
  list(): Promise<ListedBranches>;
  /** @throws BranchError; the signal's reason */
  read(name: string, base: string, signal: AbortSignal): Promise<BranchFiles>;
}

/**
 * Reads the branch that a request names; undefined if it names none or is not valid. A larger body
 * is not parsed here, so that the hub's own thread never parses files.
 */
const branchOf = (body: Uint8Array): string | undefined => {
  if (body.byteLength > MAX_BRANCH_REQUEST_BYTES) return undefined;
  const request = readJson(body);
  return 'ok' in request || request.files !== undefined || request.patch !== undefined ? undefined : request.branch;
};

/**
 * Refuses to read a branch, or to list branches. Callers who see a part of the fleet get neither
 * the problems, which name files of the whole repository, nor the cause after the colon, which is
 * about the hub.
 */
export const refuseBranch = ({ code, message, problems }: BranchError, grants: readonly RoleGrant[] | undefined): PlanRefusal =>
  grants === undefined ? refusePlan(message, problems, code) : refusePlan(message.replace(/: .*$/s, '.'), [], code);

/**
 * Reads the files of the branch that a request names; undefined if it names none.
 *
 * @param base commit in force
 * @throws the signal's reason
 */
export const readBranch = async (
  body: Uint8Array,
  base: string,
  {
    branches,
    grants,
    signal,
  }: { readonly branches: RepositoryBranches; readonly grants: readonly RoleGrant[] | undefined; readonly signal: AbortSignal },
): Promise<BranchFiles | PlanRefusal | undefined> => {
  const name = branchOf(body);
  if (name === undefined) return undefined;
  try {
    return await branches.read(name, base, signal);
  } catch (error) {
    if (!(error instanceof BranchError)) throw error;
    return refuseBranch(error, grants);
  }
};

/** Scope that plans are made for, and a check whether the caller may see a stored plan. */
interface PlanScope {
  readonly scope: string | null;
  readonly isSeen: (stored: Stored) => boolean;
}

/**
 * Compares a plan of a branch with the last stored one. Null if there is none that the caller may
 * see, or if the new plan is too large to compare.
 */
export const sinceLast = (plans: StoredPlans, branch: string, today: StoredEffects, { scope, isSeen }: PlanScope): SincePlan | null => {
  const last = plans.lastOfBranches({ scope, options: today.options }).get(branch);
  const plan = last !== undefined && isSeen(last) ? planOf(last) : null;
  if (plan?.branch === undefined || !isStorable(today)) return null;
  return { plan: plan.id, at: plan.at, revision: plan.branch.revision, ...changesSince(today, plan) };
};

/**
 * Describes the source of a change: `after` for the plan, `stored` for its record.
 *
 * @param branch undefined if the caller sent the files
 */
export const sidesOf = (branch: BranchFiles | undefined) => {
  if (branch === undefined) return { after: { source: 'files', revision: null }, stored: {} };
  const { name, revision } = branch;
  return { after: { source: name, revision }, stored: { branch: { name, revision } } };
};

const NO_OPTIONS: PlanOptions = { at: undefined, clusters: [], withoutClusters: [], withoutRegions: [] };

/** Adds to each branch its last plan that was made without options. */
export const withLastPlans = ({ branches, ...list }: ListedBranches, plans: StoredPlans, { scope, isSeen }: PlanScope): BranchList => {
  const known = plans.lastOfBranches({ scope, options: optionsDigest(NO_OPTIONS) });
  const items = branches.map((branch) => {
    const last = known.get(branch.name);
    return { ...branch, plan: last !== undefined && isSeen(last) ? last.summary : null };
  });
  return { ...list, items };
};
