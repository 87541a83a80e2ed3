import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Runs git in a folder, without the user's own configuration. */
export const runGit = async (folder: string, args: readonly string[]): Promise<string> => {
  const { stdout } = await execute('git', ['-C', folder, ...args], {
    env: {
      ...process.env,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
    },
    maxBuffer: 16 * 1024 * 1024,
  });
  return stdout.trim();
};

/** Key that signs commits (git-config(1), gpg.format=ssh). */
export interface SigningKey {
  /** Path of the private key. */
  readonly file: string;
  /** Path of a file with this key as the only allowed signer. */
  readonly allowedSigners: string;
}

/**
 * Creates an SSH key.
 *
 * @returns undefined if there is no ssh-keygen, which git needs to sign
 */
export const makeSigningKey = async (folder: string): Promise<SigningKey | undefined> => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const [file, allowedSigners] = [join(folder, 'signing-key'), join(folder, 'allowed_signers')];
  try {
    await execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'governance@example.com', '-f', file]);
  } catch (error) {
    if (Reflect.get(Object(error), 'code') === 'ENOENT') return undefined;
    throw error;
  }
  await writeFile(allowedSigners, `governance@example.com namespaces="git" ${await readFile(`${file}.pub`, 'utf8')}`);
  return { file, allowedSigners };
};

/**
 * Creates a working copy of the branch `main` that pushes to `url`.
 *
 * @param key key that signs its commits; without one they are unsigned
 */
export const openGitRepository = async (folder: string, url: string, key?: Pick<SigningKey, 'file'>) => {
  await mkdir(folder, { recursive: true });
  const git = (...args: readonly string[]): Promise<string> => runGit(folder, args);
  await git('init', '--quiet', '--initial-branch=main');
  await git('remote', 'add', 'origin', url);
  // The user may have no Git identity on this machine.
  await git('config', 'user.name', 'Governance');
  await git('config', 'user.email', 'governance@example.com');
  const signAs = async (signer: Pick<SigningKey, 'file'> | undefined): Promise<void> => {
    await git('config', 'gpg.format', 'ssh');
    await git('config', 'user.signingKey', signer?.file ?? '');
    await git('config', 'commit.gpgSign', String(signer !== undefined));
  };
  if (key !== undefined) await signAs(key);

  const change = async (path: string, content: string | null): Promise<void> => {
    const target = join(folder, path);
    if (content === null) return rm(target, { force: true });
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
  };

  return {
    folder,
    /** Runs any other git command in the working copy. */
    git,
    /** Sets the key that signs the next commits; undefined for unsigned ones. */
    signAs,
    /** Commits changes (null deletes a file) and pushes them to `ref`. @returns the commit id */
    commit: async (files: Readonly<Record<string, string | null>>, message: string, ref = 'main'): Promise<string> => {
      for (const [path, content] of Object.entries(files)) await change(path, content);
      await git('add', '--all');
      await git('commit', '--quiet', '--message', message);
      await git('push', '--quiet', 'origin', `HEAD:${ref}`);
      return git('rev-parse', 'HEAD');
    },
  };
};

/** Working copy, as a governance team would have one. */
export type GitRepository = Awaited<ReturnType<typeof openGitRepository>>;
