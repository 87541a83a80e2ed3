import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runGit } from '../../clusters/demo/git-repository.ts';
import { type Program, startProgram } from '../../clusters/demo/programs.ts';

/**
 * A tree of this repository with its dependencies, whose programs run with the Node.js and the
 * settings that it brings.
 */
export interface Version {
  readonly name: 'old' | 'new';
  readonly root: string;
  /**
   * Name of the commit by `git describe`; with `-dirty` where files of the working tree are
   * changed.
   */
  readonly commit: string;
}

interface VersionProgram {
  readonly name: string;
  /** File relative to the root of the tree. */
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
}

const REPOSITORY = join(import.meta.dirname, '..', '..');

export const workingTree = async (): Promise<Version> => ({
  name: 'new',
  root: REPOSITORY,
  commit: await runGit(REPOSITORY, ['describe', '--always', '--dirty', '--exclude=*']),
});

/**
 * Installs the dependencies of a tree as its users do: every command of the project goes through
 * its `bootstrap.mjs`.
 */
const install = async (root: string, signal: AbortSignal): Promise<void> => {
  // npm says to the scripts that it runs which project they belong to; this is another one.
  const { npm_config_local_prefix: _project, NODE_COMPILE_CACHE: _cache, ...env } = process.env;
  // A group of its own: whatever npm started ends with it.
  const child = spawn(process.execPath, ['bootstrap.mjs', 'node', '--version'], {
    cwd: root,
    env,
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const end = (): void => void process.kill(-(child.pid ?? 0), 'SIGTERM');
  signal.addEventListener('abort', end, { once: true });
  const [code] = await once(child, 'exit');
  signal.removeEventListener('abort', end);
  signal.throwIfAborted();
  if (code !== 0) throw new Error('the dependencies of the old version cannot be installed; see the output above');
};

/**
 * Checks a commit out into a folder, which must not exist, and installs its dependencies.
 * {@link removeCheckout} ends it.
 */
export const checkOut = async (ref: string, root: string, signal: AbortSignal): Promise<Version> => {
  const commit = await runGit(REPOSITORY, ['rev-parse', '--verify', '--short', `${ref}^{commit}`]);
  await runGit(REPOSITORY, ['worktree', 'add', '--detach', '--quiet', root, commit]);
  signal.throwIfAborted();
  await install(root, signal);
  return { name: 'old', root, commit };
};

export const removeCheckout = async (root: string): Promise<void> => {
  const known = await runGit(REPOSITORY, ['worktree', 'list', '--porcelain']);
  if (known.split('\n').includes(`worktree ${root}`)) await runGit(REPOSITORY, ['worktree', 'remove', '--force', root]);
};

const settingsOf = (root: string): Record<string, string> =>
  JSON.parse(readFileSync(join(root, 'node-settings.json'), 'utf8')) as Record<string, string>;

export const startVersion = ({ root }: Version, { name, file, env, logFile }: VersionProgram): Program => {
  const compiled = join(root, 'node_modules', '.cache', 'compiled');
  return startProgram({
    name,
    command: [join(root, file)],
    env: { ...settingsOf(root), NODE_COMPILE_CACHE: compiled, ...env },
    logFile,
    node: join(root, 'node_modules', '.bin', 'node'),
  });
};

export interface CommandResult {
  readonly code: number | null;
  /** Output of the command, on both streams. */
  readonly text: string;
}

/** Runs the `fso` command of a version to its end. */
export const runCommand = async (
  { root }: Version,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<CommandResult> => {
  const child = spawn(join(root, 'node_modules', '.bin', 'node'), [join(root, 'hub/cli/main.ts'), ...args], {
    env: { ...settingsOf(root), PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const output of [child.stdout, child.stderr])
    output.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, text };
};
