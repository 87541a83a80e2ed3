import { execFileSync } from 'node:child_process';
import { decodeFiles, isPolicyPath, type PolicySet, type SourceFile } from '@fso/shared/decode';
import { messageOf } from '@fso/shared/text';
import { CliError } from '../../errors.ts';
import { afterMoves, planMoves } from './registrations.ts';

const MAX_BYTES = 512 * 1024 * 1024;

type Git = (args: readonly string[], input?: string) => Buffer;

/** Runs git in a folder. @throws CliError with its output */
const gitIn =
  (folder: string, revision: string, env: NodeJS.ProcessEnv): Git =>
  (args, input) => {
    try {
      return execFileSync('git', ['-C', folder, ...args], { env, input, maxBuffer: MAX_BYTES, stdio: ['pipe', 'pipe', 'pipe'] });
    } catch (error) {
      if (Reflect.get(Object(error), 'code') === 'ENOENT')
        throw new CliError('reading a commit needs the program git, which is not in the PATH');
      const said = String(Reflect.get(Object(error), 'stderr') ?? '').trim();
      throw new CliError(`git cannot read ${revision}: ${said === '' ? messageOf(error) : said}`);
    }
  };

/**
 * Contents in the order of their ids, as `git cat-file --batch` writes them. @throws CliError where
 * one is not there
 */
const contentsOf = (answer: Buffer): readonly Buffer[] => {
  const contents: Buffer[] = [];
  for (let at = 0; at < answer.length; ) {
    const end = answer.indexOf('\n', at);
    const [id, type, size = ''] = answer.toString('latin1', at, end).split(' ');
    // As in a clone that has not fetched all.
    if (type !== 'blob') throw new CliError(`git cannot read object ${id}: it is ${type}`);
    const next = end + 1 + Number(size);
    contents.push(answer.subarray(end + 1, next));
    at = next + 1;
  }
  return contents;
};

/**
 * Id of a commit in the Git repository that a folder is in, which may be a bare one.
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
 * Policy files of a commit in the Git repository that a folder is in, by their paths below it, as
 * they would be after --fix: so the commit that moves registrations can be compared too.
 *
 * @throws CliError where git cannot read it
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

/** Commits of a change whose messages are read; a change of more names no plan in the others. */
const MAX_COMMITS = 500;

/**
 * Messages of the commits that a revision has and a base does not, newest first.
 *
 * @throws CliError where git cannot read one of both
 */
export const messagesBetween = (folder: string, base: string, revision: string, env: NodeJS.ProcessEnv): readonly string[] => {
  const [from, to] = [base, revision].map((each) => commitAt(folder, each, env));
  // Signatures would stand before the messages.
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
 * Policies of the base commit.
 *
 * @throws CliError where git cannot read it, or it is not valid itself
 */
export const policiesAt = (folder: string, revision: string, env: NodeJS.ProcessEnv): PolicySet => {
  const decoded = decodeFiles(filesAt(folder, revision, env));
  if (decoded.ok) return decoded.set;
  const [first] = decoded.problems;
  throw new CliError(`the base ${revision} is not valid itself: ${first?.path}:${first?.line}:${first?.column}: ${first?.reason}`);
};
