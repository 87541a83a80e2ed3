import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildFlags, isComplete, sealFolder, toolCacheRoot, toolFolder } from './cache.ts';
import { CommandError } from './command-error.ts';
import { assertGo, type Environment, go } from './go.ts';
import { withLock } from './lock.ts';
import { goDirective, LOCAL_TOOLS, readGoMod, type ToolModule } from './modules.ts';

/** Takes one line of progress. */
export type Log = (line: string) => void;

const HEARTBEAT_MS = 15_000;

export interface ToolOptions {
  readonly env: Environment;
  readonly log: Log;
  readonly modules?: readonly ToolModule[];
  readonly cacheRoot?: string;
}

const elapsed = (since: number): string => `${Math.round((performance.now() - since) / 1000)} s`;

async function buildPrograms(module: ToolModule, dir: string, env: Environment, signal: AbortSignal): Promise<void> {
  const programs = Object.entries(module.programs);
  const build = (output: string, paths: string[]): Promise<string> =>
    go(module.dir, ['build', ...buildFlags(module), '-o', output, ...paths], env, signal);
  const [single] = programs;
  // A folder as output names the programs after their packages: right for all of Kubernetes, wrong for `…/server/v3`.
  if (programs.length === 1 && single) await build(join(dir, single[0]), [single[1]]);
  else if (programs.length > 1) await build(`${dir}/`, Object.values(module.programs));
  const files = Object.entries(module.files);
  if (files.length === 0) return;
  const { Dir: source } = JSON.parse(await go(module.dir, ['mod', 'download', '-json', module.upstream], env, signal)) as { Dir: string };
  for (const [name, path] of files) {
    copyFileSync(join(source, path), join(dir, name));
    // Files of the module cache are read-only.
    chmodSync(join(dir, name), 0o644);
  }
}

/** Builds into a folder beside the final one and renames it: the final folder is there whole, or not at all. */
async function build(module: ToolModule, target: string, options: ToolOptions, signal: AbortSignal): Promise<void> {
  const started = performance.now();
  const name = toolFolder(module);
  const programs = Object.keys(module.programs).join(', ') || Object.keys(module.files).join(', ');
  options.log(`building ${programs} (${name}); the first time takes minutes, later ones none`);
  const timer = setInterval(() => options.log(`still building ${programs}, ${elapsed(started)}`), HEARTBEAT_MS);
  // Under the module's lock nobody else builds: what is left of such folders is of a build that was cut off.
  for (const left of readdirSync(dirname(target)).filter((entry) => entry.startsWith(`${module.name}-`) && entry.includes('.building-'))) {
    rmSync(join(dirname(target), left), { recursive: true, force: true });
  }
  const temporary = mkdtempSync(`${target}.building-`);
  try {
    await buildPrograms(module, temporary, options.env, signal);
    sealFolder(temporary);
    rmSync(target, { recursive: true, force: true });
    renameSync(temporary, target);
    options.log(`built ${programs} in ${elapsed(started)}`);
  } finally {
    clearInterval(timer);
    rmSync(temporary, { recursive: true, force: true });
  }
}

function makeCache(root: string): void {
  try {
    mkdirSync(root, { recursive: true });
  } catch (error) {
    throw new CommandError(`cannot create the tool cache ${root}: ${(error as Error).message}. Set XDG_CACHE_HOME to a writable folder.`);
  }
}

/**
 * Makes sure that the programs of the modules are in the user's cache, building what is not. Needs Go only then.
 *
 * @returns folder of each module's programs and files, by module name
 */
export async function ensureTools(options: ToolOptions, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
  const root = options.cacheRoot ?? toolCacheRoot(options.env);
  const folders: Record<string, string> = {};
  for (const module of options.modules ?? LOCAL_TOOLS) {
    const target = join(root, toolFolder(module));
    folders[module.name] = target;
    if (isComplete(target, module)) continue;
    await assertGo(goDirective(readGoMod(module)), options.env);
    makeCache(root);
    const wait = (pid: string): void => options.log(`waiting for process ${pid}, which builds ${module.name}`);
    const work = async (): Promise<void> => {
      if (!isComplete(target, module)) await build(module, target, options, signal);
    };
    await withLock(join(root, `${module.name}.lock`), work, wait, signal);
  }
  return folders;
}
