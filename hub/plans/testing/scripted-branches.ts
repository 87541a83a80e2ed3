import type { SourceFile } from '@fso/shared/decode';
import { BranchError } from '../../source/index.ts';
import type { RepositoryBranches } from '../branch-plans.ts';

/** Newest commit of a scripted branch. */
export interface ScriptedBranch {
  readonly revision: string;
  readonly files: readonly SourceFile[];
  /** Error of a branch that is listed, but cannot be read. */
  readonly refusal?: BranchError;
}

/** Branches of a repository as a test defines them. The test may change the map later. */
export const scriptedBranches = (branches: ReadonlyMap<string, ScriptedBranch | BranchError> = new Map()): RepositoryBranches => ({
  list: async () => ({
    branches: [...branches].flatMap(([name, tip]) => (tip instanceof BranchError ? [] : [{ name, revision: tip.revision }])),
    total: branches.size,
    read: '2026-06-01T00:00:00.000Z',
  }),
  read: async (name) => {
    const tip = branches.get(name) ?? new BranchError('not-found', 'The policy repository has no such branch.');
    if (tip instanceof BranchError) throw tip;
    const { refusal, ...branch } = tip;
    if (refusal !== undefined) throw refusal;
    return { name, ...branch, ahead: 1, behind: 0 };
  },
});
