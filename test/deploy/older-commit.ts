import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Writes the files of a commit into a new folder. @returns the folder */
export const checkOut = async (commit: string, target: string): Promise<string> => {
  await run('sh', ['-ec', `mkdir "$1" && git archive "$2" | tar -x -C "$1"`, 'sh', target, commit], { maxBuffer: 64 * 1024 ** 2 });
  return target;
};

/** The commit of `FSO_TEST_DEPLOY_FROM`, by default the one before the programs changed last. */
export const olderCommit = async (): Promise<string> => {
  const given = process.env['FSO_TEST_DEPLOY_FROM'];
  if (given !== undefined) return given;
  const changed = ['agent', 'hub', 'shared'].flatMap((name) => [name, `:(exclude)${name}/**/*.test.ts`, `:(exclude)${name}/**/testing/**`]);
  const { stdout } = await run('git', ['log', '--no-merges', '-1', '--format=%H', '--', ...changed]);
  return `${stdout.trim()}^`;
};

/** Whether the older commit can take over again: `FSO_TEST_DEPLOY_BACK`. */
export const goesBack = (): boolean => process.env['FSO_TEST_DEPLOY_BACK'] !== 'off';
