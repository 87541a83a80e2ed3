import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeTemporaryFolder } from '../../test/harness/temporary-folder.ts';
import { openGitRepository } from './git-repository.ts';

it('takes the commit of a person whose Git has no identity', async () => {
  const dir = makeTemporaryFolder('repository');
  const remote = join(dir, 'remote.git');
  execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', remote]);
  const repository = await openGitRepository(join(dir, 'working-copy'), remote);
  await repository.commit({ 'policies/finance.yaml': 'before\n' }, 'The demo commits');

  writeFileSync(join(repository.folder, 'policies', 'finance.yaml'), 'after\n');
  const env = { PATH: process.env['PATH'], HOME: '', GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' };
  // Git makes up an identity from the name of the machine where that is a full one.
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.useConfigOnly=true', ...args], { cwd: repository.folder, env, encoding: 'utf8' });
  git('commit', '--quiet', '-a', '-m', 'A person commits');
  git('push', '--quiet', 'origin', 'HEAD:main');
  expect(execFileSync('git', ['-C', remote, 'log', '--format=%an %s', 'main'], { encoding: 'utf8' }).trim().split('\n')).toEqual([
    'Governance A person commits',
    'Governance The demo commits',
  ]);
});
