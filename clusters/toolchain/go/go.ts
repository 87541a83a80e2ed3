import { execFile, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { CommandError } from '../command-error.ts';

const run = promisify(execFile);

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

// From 1.21 on, Go itself fetches the toolchain that a go.mod requires
// (https://go.dev/doc/toolchain).
const FIRST_SELF_UPDATING = '1.21';

const parts = (version: string): number[] =>
  version
    .replace(/^go/, '')
    .split(/[^\d]+/)
    .filter((part) => part !== '')
    .map(Number);

/** Whether `version` is at least `wanted`, in forms such as `go1.26.8`, `1.26` and `1.26.0`. */
export function atLeast(version: string, wanted: string): boolean {
  const [have, need] = [parts(version), parts(wanted)];
  for (let i = 0; i < Math.max(have.length, need.length); i++) {
    const difference = (have[i] ?? 0) - (need[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/**
 * Checks a Go installation against the requirement of a module.
 *
 * @returns the problem of a Go installation for a go.mod that requires `wanted`; undefined if there
 * is none
 */
export function goProblem(version: string, toolchain: string, wanted: string): string | undefined {
  if (atLeast(version, wanted)) return undefined;
  if (atLeast(version, FIRST_SELF_UPDATING) && toolchain !== 'local') return undefined;
  return `Go ${wanted} or newer is needed to build the cluster's programs, PATH has ${version}${toolchain === 'local' ? ' and GOTOOLCHAIN=local' : ''}`;
}

const HOW_TO = 'Install it from https://go.dev/dl/ and put its bin folder on PATH, or use --provider kind where Docker runs.';

/**
 * Checks that a suitable Go is installed.
 *
 * @throws CommandError with a remedy if no Go can build for `wanted`
 */
export async function assertGo(wanted: string, env: Environment): Promise<void> {
  let answer: { stdout: string };
  try {
    // Outside of any go.mod, which could make Go switch its toolchain for this call.
    answer = await run('go', ['env', 'GOVERSION', 'GOTOOLCHAIN'], { env: { ...env }, cwd: tmpdir() });
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const reason = missing ? 'no `go` was found on PATH' : `\`go env\` failed: ${(error as Error).message}`;
    throw new CommandError(`The cluster's programs are built once with Go ${wanted} or newer, but ${reason}. ${HOW_TO}`);
  }
  const [version = '', toolchain = ''] = answer.stdout.split('\n');
  const problem = goProblem(version, toolchain, wanted);
  if (problem) throw new CommandError(`${problem}. ${HOW_TO}`);
}

const environment = (env: Environment): Environment => ({ ...env, GOWORK: 'off', CGO_ENABLED: '0', GOFLAGS: '-mod=readonly' });

/** Invocation of `go` in the folder of a module. */
export interface GoRun {
  /** Folder of a go.mod. */
  readonly dir: string;
  readonly args: readonly string[];
  readonly env: Environment;
  /** Receives each line of the standard error. */
  readonly onLine?: (line: string) => void;
}

/**
 * Whether a line of a build counts as progress. `go build -v` prints the import path of each
 * package that it compiles on a line of its own.
 */
export const isPackageLine = (line: string): boolean => /^[\w.~/+-]+$/.test(line);

/**
 * Runs `go` in a module's folder and returns its output. @throws CommandError with the last lines
 * of Go's standard error
 */
export async function go({ dir, args, env, onLine }: GoRun, signal: AbortSignal): Promise<string> {
  const child = spawn('go', args, { cwd: dir, env: environment(env), signal, killSignal: 'SIGTERM', stdio: ['ignore', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  const errors: string[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  createInterface(child.stderr).on('line', (line) => {
    onLine?.(line);
    if (!isPackageLine(line)) errors.push(line);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code === 0) return Buffer.concat(out).toString();
  throw new CommandError(`go ${args[0]} failed in ${dir} (exit code ${code}):\n${errors.slice(-15).join('\n')}`);
}
