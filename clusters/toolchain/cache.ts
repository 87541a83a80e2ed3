import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { filesOf, readGoMod, type ToolModule, toolVersion } from './modules.ts';

const MANIFEST = 'complete.json';

/**
 * Folder that caches tools between runs (XDG Base Directory Specification: a relative
 * XDG_CACHE_HOME is ignored).
 */
export function toolCacheRoot(env: Readonly<Record<string, string | undefined>>): string {
  const xdg = env['XDG_CACHE_HOME'];
  return join(xdg && isAbsolute(xdg) ? xdg : join(env['HOME'] || homedir(), '.cache'), 'fso', 'tools');
}

/** Arguments of `go build`, without the output and the packages. */
export function buildFlags(module: ToolModule): string[] {
  const tags = module.tags === undefined ? [] : ['-tags', module.tags.join(',')];
  // The linker drops debug information (-w), so the compiler need not produce it. That saves a
  // fifth of the work.
  return [
    ...tags,
    '-trimpath',
    '-gcflags=all=-dwarf=false',
    '-ldflags',
    ['-s -w', ...(module.linkerFlags?.(toolVersion(module)) ?? [])].join(' '),
  ];
}

/**
 * Name of a tool's folder, with a hash of all inputs of its build: declared versions, checksums,
 * flags, platform, own source.
 */
export function toolFolder(module: ToolModule): string {
  const hash = createHash('sha256')
    .update(readGoMod(module))
    .update(readFileSync(join(module.dir, 'go.sum')))
    .update(JSON.stringify([buildFlags(module), module.package, module.programs, filesOf(module), process.platform, process.arch]));
  for (const file of module.sources ?? []) hash.update(`${file}\0`).update(readFileSync(join(module.dir, file)));
  return `${module.name}-${toolVersion(module)}-${hash.digest('hex').slice(0, 8)}`;
}

const expected = (module: ToolModule): string[] => [...module.programs, ...Object.keys(filesOf(module))];

/**
 * Writes the manifest with the size of each file. It is written last: a folder without a manifest,
 * or that differs from it, is incomplete.
 */
export function sealFolder(dir: string): void {
  const sizes = Object.fromEntries(readdirSync(dir).map((file) => [file, statSync(join(dir, file)).size]));
  writeFileSync(join(dir, MANIFEST), JSON.stringify(sizes));
}

function readSizes(dir: string): Record<string, number> {
  try {
    return JSON.parse(readFileSync(join(dir, MANIFEST), 'utf8'));
  } catch {
    return {};
  }
}

/** Whether a folder of the cache has all files of a tool, with the recorded sizes. */
export function isComplete(dir: string, module: ToolModule): boolean {
  const sizes = readSizes(dir);
  return expected(module).every((file) => {
    const path = join(dir, file);
    return sizes[file] !== undefined && existsSync(path) && statSync(path).size === sizes[file];
  });
}
