import { execFileSync } from 'node:child_process';
import { decodeFiles, isPolicyPath, type PolicySet, type SourceFile } from '@fso/shared/decode';
import { messageOf } from '@fso/shared/text';
import { CliError } from '../../errors.ts';
import { afterMoves, planMoves } from './registrations.ts';

const MAX_BYTES = 512 * 1024 * 1024;

type Git = (args: readonly string[], input?: string) => Buffer;

/** Returns a function that runs git in a folder. @throws CliError with its output */
const gitIn =
  (folder: string, revision: string, env: NodeJS.ProcessEnv): Git =>
  (args, input) => {
    try {
      return execFileSync('git', ['-C', folder, ...args], { env, input, maxBuffer: MAX_BYTES, stdio: ['pipe', 'pipe', 'pipe'] });
    } catch (error) {
      if (Reflect.get(Object(error), 'code') === 'ENOENT')
        throw new CliError('reading a commit needs the program git, which is not in the PATH');
      const output = String(Reflect.get(Object(error), 'stderr') ?? '').trim();
      throw new CliError(`git cannot read ${revision}: ${output === '' ? messageOf(error) : output}`);
    }
  };

/**
 * Parses the output of `git cat-file --batch`.
 *
 * @returns contents in the order of the ids
 * @throws CliError if an object is missing
 */
const contentsOf = (answer: Buffer): readonly Buffer[] => {
  const contents: Buffer[] = [];
  for (let at = 0; at < answer.length; ) {
    const end = answer.indexOf('\n', at);
    const [id, type, size = ''] = answer.toString('latin1', at, end).split(' ');
    // Objects are missing in a partial clone.
    if (type !== 'blob') throw new CliError(`git cannot read object ${id}: it is ${type}`);
    const next = end + 1 + Number(size);
    contents.push(answer.subarray(end + 1, next));
    at = next + 1;
  }
  return contents;
};

/**
 * Returns the id of a commit in the Git repository that contains a folder. It may be bare.
 *
 * @throws CliError
 */
export const commitAt = (folder: string, revision: string, env: NodeJS.ProcessEnv): string =>
  gitIn(
    folder,
    revision,
    env,
  )(['rev-parse', '--verify', '--end-of-options', `${revision}^{commit}`])
    .toString()
    .trim();

/**
 * Reads the policy files of a commit in the Git repository that contains a folder, by their paths
 * below the folder. They are read as they would be after --fix, so that a commit that moves
 * registrations can be compared too.
 *
 * @throws CliError if git cannot read it
 */
export const filesAt = (folder: string, revision: string, env: NodeJS.ProcessEnv): readonly SourceFile[] => {
  const git = gitIn(folder, revision, env);
  const entries = git(['ls-tree', '-r', '-z', commitAt(folder, revision, env)])
    .toString()
    .split('\0')
    .flatMap((line) => {
      const [, id, path] = /^100\d{3} blob ([0-9a-f]+)\t(.+)$/s.exec(line) ?? [];
      return id === undefined || path === undefined || !isPolicyPath(path) ? [] : [{ id, path }];
    });
  const contents = contentsOf(git(['cat-file', '--batch'], entries.map(({ id }) => `${id}\n`).join('')));
  const files: readonly SourceFile[] = entries.map(({ path }, index) => ({ path, text: contents[index]?.toString() ?? '' }));
  return afterMoves(files, planMoves(files));
};

/**
 * Maximum number of commits of a change whose messages are read. A trailer in older ones is
 * ignored.
 */
const MAX_COMMITS = 500;

/**
 * Returns the messages of the commits that a revision has and a base does not, newest first.
 *
 * @throws CliError if git cannot read one of them
 */
export const messagesBetween = (folder: string, base: string, revision: string, env: NodeJS.ProcessEnv): readonly string[] => {
  const [from, to] = [base, revision].map((each) => commitAt(folder, each, env));
  // Otherwise signatures could precede the messages.
  const options = ['-c', 'log.showSignature=false', 'log', '-z', '--topo-order', '--format=%B', `--max-count=${MAX_COMMITS}`];
  return gitIn(
    folder,
    revision,
    env,
  )([...options, `${to}`, `^${from}`, '--'])
    .toString()
    .split('\0');
};

/**
 * Reads the policies of the base commit.
 *
 * @throws CliError if git cannot read it, or it is invalid
 */
export const policiesAt = (folder: string, revision: string, env: NodeJS.ProcessEnv): PolicySet => {
  const decoded = decodeFiles(filesAt(folder, revision, env));
  if (decoded.ok) return decoded.set;
  const [first] = decoded.problems;
  throw new CliError(`the base ${revision} is not valid itself: ${first?.path}:${first?.line}:${first?.column}: ${first?.reason}`);
};
