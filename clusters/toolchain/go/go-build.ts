import { chmodSync, copyFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { buildFlags } from '../cache.ts';
import { filesOf, type ToolModule } from '../modules.ts';
import { type Environment, go, isPackageLine } from './go.ts';

/** Units of work of a link, which takes as long as compiling this many packages. */
const LINK_UNITS = 40;

/** Environment of a build, and the receiver of its progress. */
export interface BuildOptions {
  readonly env: Environment;
  /** Receives the number of packages compiled since the last call. */
  readonly advance: (units: number) => void;
}

/**
 * Counts the units of work for a module: packages that Go's build cache lacks, and the link.
 * Fetches the sources.
 */
export async function buildUnits(module: ToolModule, env: Environment, signal: AbortSignal): Promise<number> {
  if (module.package === undefined) return 1;
  const args = ['list', '-deps', ...buildFlags(module), '-f', '{{if .Stale}}{{.ImportPath}}{{end}}', module.package];
  const stale = (await go({ dir: module.dir, args, env }, signal)).split('\n').filter((line) => line !== '');
  return stale.length + LINK_UNITS;
}

async function buildProgram(module: ToolModule, dir: string, options: BuildOptions, signal: AbortSignal): Promise<void> {
  if (module.package === undefined) return;
  const [name = module.name, ...others] = module.programs;
  const program = others.length === 0 ? name : module.name;
  const args = ['build', '-v', ...buildFlags(module), '-o', join(dir, program), module.package];
  const onLine = (line: string): void => {
    if (isPackageLine(line)) options.advance(1);
  };
  await go({ dir: module.dir, args, env: options.env, onLine }, signal);
  if (others.length > 0) for (const link of module.programs) symlinkSync(program, join(dir, link));
}

/** Copies the required files of the upstream's module, which Go verifies by its checksum. */
async function copyFiles(module: ToolModule, dir: string, env: Environment, signal: AbortSignal): Promise<void> {
  const files = Object.entries(filesOf(module));
  if (files.length === 0) return;
  const found = await go({ dir: module.dir, args: ['mod', 'download', '-json', module.upstream], env }, signal);
  const { Dir: source } = JSON.parse(found) as { Dir: string };
  for (const [name, path] of files) {
    copyFileSync(join(source, path), join(dir, name));
    // Files of the module cache are read-only.
    chmodSync(join(dir, name), 0o644);
  }
}

/** Builds the program of a module into a folder, and copies the required files of its upstream. */
export async function buildTool(module: ToolModule, dir: string, options: BuildOptions, signal: AbortSignal): Promise<void> {
  await buildProgram(module, dir, options, signal);
  await copyFiles(module, dir, options.env, signal);
}
