import { type DecodeResult, decodeFiles, type PolicySet, type SourceProblem } from '@fso/shared/decode';
import { CliError } from '../../errors.ts';
import { commitAt, decodeCommit } from '../policy-files/git-commits.ts';
import { readPolicyFolder } from '../policy-files/policy-folder.ts';

/** A side of a plan. */
export interface PlanSide {
  /** A revision as it was given, or a folder. */
  readonly source: string;
  /** Commit id; null: a folder. */
  readonly revision: string | null;
  readonly set: PolicySet;
}

const validSet = (source: string, decoded: DecodeResult, more: readonly SourceProblem[] = []): PolicySet => {
  const problems = [...more, ...(decoded.ok ? [] : decoded.problems)];
  if (decoded.ok && problems.length === 0) {
    const { policies, clusters } = decoded.set;
    // Else a wrong folder would read as the removal of every policy.
    if (policies.length + clusters.length > 0) return decoded.set;
    throw new CliError(`${source} has no policies and no clusters: is it the root of a policy repository?`);
  }
  const lines = problems.map(({ path, line, column, reason }) => `\n${path}:${line}:${column}: ${reason}`);
  throw new CliError(`${source} is not valid, so there is nothing to compare:${lines.join('')}`);
};

/**
 * Reads a commit of the repository that a folder is in, without a checkout.
 *
 * @throws CliError where git cannot read it, and with all problems where it is not valid
 */
export const readCommit = (folder: string, source: string): PlanSide => {
  const revision = commitAt(folder, source);
  return { source, revision, set: validSet(source, decodeCommit(folder, revision)) };
};

/** Reads a folder as it is now. @throws CliError as {@link readCommit} */
export const readFolder = (folder: string): PlanSide => {
  const { files, problems } = readPolicyFolder(folder);
  return { source: folder, revision: null, set: validSet(folder, decodeFiles(files), problems) };
};
