import type { ProblemView } from '@fso/shared/api';
import { decodeFiles, type PolicySet, type SourceFile, type SourceProblem } from '@fso/shared/decode';
import { CliError } from '../../errors.ts';
import { commitAt, filesAt } from '../policy-files/git-commits.ts';
import { readPolicyFolder } from '../policy-files/policy-folder.ts';

/** Side of a comparison. */
export interface PlanSide {
  /** Revision as given, or a folder. */
  readonly source: string;
  /** Commit id; null: a folder. */
  readonly revision: string | null;
  readonly files: readonly SourceFile[];
  readonly set: PolicySet;
}

/** Formats problems as lines, each with its place. */
export const problemLines = (problems: readonly ProblemView[]): string =>
  problems
    .map(
      ({ path, line, column, reason }) =>
        `\n${[path, line, column, ` ${reason}`]
          .filter((part) => part !== undefined)
          .join(':')
          .trim()}`,
    )
    .join('');

const validSet = (source: string, files: readonly SourceFile[], more: readonly SourceProblem[] = []): PolicySet => {
  const decoded = decodeFiles(files);
  const problems = [...more, ...(decoded.ok ? [] : decoded.problems)];
  if (decoded.ok && problems.length === 0) {
    const { policies, clusters } = decoded.set;
    // Otherwise a wrong folder would look like the removal of every policy.
    if (policies.length + clusters.length > 0) return decoded.set;
    throw new CliError(`${source} has no policies and no clusters: is it the root of a policy repository?`);
  }
  throw new CliError(`${source} is not valid, so there is nothing to compare:${problemLines(problems)}`);
};

/**
 * Reads a commit of the repository that contains a folder, without a checkout.
 *
 * @throws CliError if git cannot read it, or with all problems if it is invalid
 */
export const readCommit = (folder: string, source: string, env: NodeJS.ProcessEnv): PlanSide => {
  const revision = commitAt(folder, source, env);
  const files = filesAt(folder, revision, env);
  return { source, revision, files, set: validSet(source, files) };
};

/** Reads a folder as it is now. @throws CliError as {@link readCommit} */
export const readFolder = (folder: string): PlanSide => {
  const { files, problems } = readPolicyFolder(folder);
  return { source: folder, revision: null, files, set: validSet(folder, files, problems) };
};
