import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '@fso/shared/text';
import { gitEnvironment } from '../../client/environment.ts';
import type { Context } from '../../context.ts';
import { CliError } from '../../errors.ts';
import { registrationOf } from '../clusters.ts';
import samples from './samples.json' with { type: 'json' };

/** Options of `fso init`. */
export interface InitOptions {
  /** Name of the first cluster; undefined: no cluster is registered. */
  readonly cluster?: string;
  readonly region: readonly string[];
  readonly label: readonly string[];
  /**
   * File with the public SSH key of the person who signs commits; undefined: commits are not
   * signed.
   */
  readonly signer?: string;
}

const run = promisify(execFile);

type Git = (...args: readonly string[]) => Promise<string>;

/** Returns a function that runs git in a folder. @throws CliError with its output */
const gitIn =
  (folder: string, env: NodeJS.ProcessEnv): Git =>
  async (...args) => {
    try {
      const { stdout } = await run('git', ['-C', folder, ...args], { env: gitEnvironment(env, { GIT_TERMINAL_PROMPT: '0' }) });
      return stdout.trim();
    } catch (error) {
      const output = Reflect.get(Object(error), 'stderr');
      throw new CliError(`git ${args[0]}: ${typeof output === 'string' && output !== '' ? output.trim() : messageOf(error)}`);
    }
  };

/** Author of the commit if git has none configured. A trial needs no identity. */
const STAND_IN = { name: 'Governance', email: 'governance@example.com' };

const settingOf = (git: Git, name: string, otherwise: string): Promise<string> => git('config', '--default', otherwise, name);

/** Returns a line of allowed signers (ssh-keygen(1)) that is restricted to commits. */
const signerLine = (email: string, file: string): string => {
  try {
    const key = readFileSync(file, 'utf8').trim();
    if (/^(ssh|ecdsa|sk)-\S+ \S+/.test(key) && !key.includes('\n')) return `${email} namespaces="git" ${key}\n`;
  } catch (error) {
    throw new CliError(`cannot read ${file}: ${messageOf(error)}`);
  }
  throw new CliError(`${file} is not a public SSH key, such as ~/.ssh/id_ed25519.pub`);
};

const isEmpty = (folder: string): boolean => !existsSync(folder) || readdirSync(folder).length === 0;

const writeFiles = (folder: string, files: Readonly<Record<string, string>>): void => {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
};

const commit = async (git: Git, signed: boolean, { name, email }: typeof STAND_IN): Promise<void> => {
  await git('add', '--all');
  const identity = ['-c', `user.name=${name}`, '-c', `user.email=${email}`];
  await git(...identity, 'commit', '--quiet', signed ? '--gpg-sign' : '--no-gpg-sign', '--message', 'Policies to begin with');
};

/**
 * Runs `fso init`: creates a policy repository with examples of everything in its first commit.
 *
 * @throws CliError if the folder is not empty, or git fails
 */
export const init = async (context: Context, dir: string, options: InitOptions): Promise<void> => {
  const folder = resolve(dir);
  if (!isEmpty(folder)) throw new CliError(`${folder} is not empty`);
  const { cluster, signer } = options;
  const registration = cluster === undefined ? {} : { [`clusters/${cluster}.yaml`]: await registrationOf(cluster, options) };
  mkdirSync(folder, { recursive: true });
  const git = gitIn(folder, context.io.env);
  await git('init', '--quiet', '--initial-branch=main');
  const who = { name: await settingOf(git, 'user.name', STAND_IN.name), email: await settingOf(git, 'user.email', STAND_IN.email) };
  const signers = signer === undefined ? {} : { 'signers/allowed_signers': signerLine(who.email, signer) };
  if (signer !== undefined) {
    for (const [name, value] of [
      ['gpg.format', 'ssh'],
      ['user.signingKey', resolve(signer)],
      ['commit.gpgSign', 'true'],
    ] as const)
      await git('config', name, value);
  }
  const files = { ...samples, ...registration, ...signers };
  writeFiles(folder, files);
  await commit(git, signer !== undefined, who);
  context.progress(`Made ${folder}, with ${Object.keys(files).length} files in its first commit; its README says what is where.\n`);
  if (signer !== undefined)
    context.progress(`Give the signers to hub and agents: --set-file signers.ssh=${join(folder, 'signers/allowed_signers')}\n`);
};
