import type { CommitSummary } from '@fso/shared/api';

/**
 * The commit that came into force after another one.
 *
 * @param commits newest first
 * @returns undefined where it is not among them
 */
export const successorOf = (commits: readonly CommitSummary[], revision: string): CommitSummary | undefined => {
  const at = commits.findIndex(({ commit }) => commit.revision === revision);
  return commits.slice(0, Math.max(0, at)).findLast(({ state }) => state !== 'rejected');
};
