import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CommandError } from '../toolchain/command-error.ts';
import type { Environment } from '../toolchain/go/go.ts';
import { KIND_TOOL } from '../toolchain/modules.ts';
import type { Log } from '../toolchain/progress.ts';
import { ensureTools } from '../toolchain/tools.ts';

const run = promisify(execFile);

/**
 * Returns kind's name of a cluster, which is the prefix of its containers and part of its context
 * (`kind-fso-us`).
 */
export const kindName = (cluster: string): string => `fso-${cluster}`;

/** Arguments of `kind` that create a cluster. */
export const createArguments = (cluster: string, config: string, kubeconfig: string): string[] => [
  'create',
  'cluster',
  '--name',
  kindName(cluster),
  '--config',
  config,
  '--kubeconfig',
  kubeconfig,
  '--wait',
  '180s',
];

/** Arguments of `kind` that delete a cluster. */
export const deleteArguments = (cluster: string, kubeconfig: string): string[] => [
  'delete',
  'cluster',
  '--name',
  kindName(cluster),
  '--kubeconfig',
  kubeconfig,
];

/** Whether `kind get clusters` lists the cluster. */
export const listsCluster = (output: string, cluster: string): boolean =>
  output.split('\n').some((line) => line.trim() === kindName(cluster));

async function succeeds(command: string, args: readonly string[], env: Environment): Promise<boolean> {
  try {
    await run(command, [...args], { env: { ...env }, timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}

/** Whether a Docker engine responds. The `docker` command alone does not show that. */
export const dockerRuns = (env: Environment): Promise<boolean> => succeeds('docker', ['info'], env);

/** Finds `kind` on PATH, else builds it from its Go module. */
export async function findKind(env: Environment, log: Log, signal: AbortSignal): Promise<string> {
  if (await succeeds('kind', ['version'], env)) return 'kind';
  const folders = await ensureTools({ env, log, modules: [KIND_TOOL] }, signal);
  return join(folders[KIND_TOOL.name] ?? '', 'kind');
}

/** Runs kind. @throws CommandError with its output */
export async function runKind(kind: string, args: readonly string[], env: Environment, signal: AbortSignal): Promise<string> {
  try {
    const { stdout } = await run(kind, [...args], { env: { ...env }, signal });
    return stdout;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new CommandError(`kind ${args.slice(0, 2).join(' ')} failed: ${(stderr || message).trim()}`);
  }
}
