import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '@fso/shared/text';
import { isComplete, sealFolder, toolCacheRoot, toolFolder } from './cache.ts';
import { CommandError } from './command-error.ts';
import { assertGo, type Environment } from './go/go.ts';
import { buildTool, buildUnits } from './go/go-build.ts';
import { withLock } from './lock.ts';
import { filesOf, goDirective, LOCAL_TOOLS, readGoMod, type ToolModule } from './modules.ts';
import { type ProgressSink, ToolProgress } from './progress.ts';
import { Downloader } from './releases/downloader.ts';
import { downloadTool } from './releases/release-tool.ts';
import { type Download, downloadFolder, downloadsOf, hostsOf, PINS_FILE, type Pins, readPins } from './releases/releases.ts';

/** Tools to prepare, and their cache. */
export interface ToolOptions extends ProgressSink {
  readonly env: Environment;
  readonly modules?: readonly ToolModule[];
  readonly cacheRoot?: string;
}

const MODES = ['auto', 'download', 'build'] as const;
type Mode = (typeof MODES)[number];

/**
 * Estimated units of one download until its host reports the size; compressed programs are close to
 * it.
 */
const DOWNLOAD_UNITS = 35;
const MIB = 1024 ** 2;

/** The source of one tool for the cache. */
interface Plan {
  readonly module: ToolModule;
  /** Absent if the tool is built. */
  readonly downloads?: readonly Download[];
}

/** Settings and services that all tools of a call share. */
interface ToolContext {
  readonly root: string;
  readonly mode: Mode;
  readonly pins: Pins;
  readonly options: ToolOptions;
  readonly downloader: Downloader;
  readonly progress: ToolProgress;
}

function modeOf(env: Environment): Mode {
  const value = env['FSO_TOOLS'] || 'auto';
  const mode = MODES.find((known) => known === value);
  if (!mode) throw new CommandError(`FSO_TOOLS is ${value}; it can be ${MODES.join(', ')}`);
  return mode;
}

/**
 * Returns the possible folders of a module's tool, the preferred one first. A downloaded and a
 * built tool never share a folder.
 */
function foldersOf(module: ToolModule, mode: Mode, downloads: readonly Download[] | string): string[] {
  const released = typeof downloads === 'string' || mode === 'build' ? [] : [downloadFolder(module, downloads)];
  return mode === 'download' ? released : [toolFolder(module), ...released];
}

/** Fills a temporary folder and renames it, so that the final folder is complete or absent. */
async function install(target: string, module: ToolModule, fill: (dir: string) => Promise<void>): Promise<void> {
  const root = join(target, '..');
  // This process holds the module's lock, so remaining folders are from an interrupted start.
  for (const left of readdirSync(root).filter((entry) => entry.startsWith(`${module.name}-`) && entry.includes('.building-'))) {
    rmSync(join(root, left), { recursive: true, force: true });
  }
  const temporary = mkdtempSync(`${target}.building-`);
  try {
    await fill(temporary);
    sealFolder(temporary);
    rmSync(target, { recursive: true, force: true });
    renameSync(temporary, target);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

const downloadUnits = (downloads: readonly Download[]): number => downloads.filter(({ executable }) => executable).length * DOWNLOAD_UNITS;

const contentOf = (module: ToolModule): string => (module.programs.length > 0 ? module.programs : Object.keys(filesOf(module))).join(', ');

async function build(module: ToolModule, { root, options, progress }: ToolContext, signal: AbortSignal): Promise<void> {
  const { name } = module;
  const target = join(root, toolFolder(module));
  const started = performance.now();
  await assertGo(goDirective(readGoMod(module)), options.env);
  progress.begin(name, 'building');
  // Counted again, because the previous tools have compiled some of its packages.
  progress.expect(name, await buildUnits(module, options.env, signal));
  const advance = (units: number): void => progress.advance(name, units);
  await install(target, module, (dir) => buildTool(module, dir, { env: options.env, advance }, signal));
  options.log(`built ${contentOf(module)} in ${Math.round((performance.now() - started) / 1000)} s`);
}

async function download(
  module: ToolModule,
  downloads: readonly Download[],
  { root, options, downloader, progress }: ToolContext,
  signal: AbortSignal,
): Promise<void> {
  const { name } = module;
  const target = join(root, downloadFolder(module, downloads));
  progress.begin(name, 'downloading');
  let expected = 0;
  let bytes = 0;
  const counter = {
    expect: (size: number) => {
      expected += size / MIB;
      progress.expect(name, Math.max(expected, downloadUnits(downloads)));
    },
    arrived: (size: number) => {
      bytes += size;
      progress.advance(name, size / MIB);
    },
  };
  await install(target, module, (dir) => downloadTool(downloads, dir, { downloader, counter }, signal));
  options.log(`downloaded ${contentOf(module)}, ${Math.ceil(bytes / MIB)} MiB, checksums verified`);
}

async function obtain(plan: Plan, context: ToolContext, signal: AbortSignal): Promise<void> {
  const { module, downloads } = plan;
  if (!downloads) return build(module, context, signal);
  try {
    return await download(module, downloads, context, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (context.mode === 'download') throw error;
    context.options.log(`${messageOf(error)}; building ${module.name} instead`);
    return build(module, context, signal);
  }
}

/** Decides for each module whether to download or build it, after one request to each host. */
async function planAll(missing: readonly ToolModule[], context: Omit<ToolContext, 'progress'>, signal: AbortSignal): Promise<Plan[]> {
  const { mode, pins, downloader, options } = context;
  if (mode === 'build') return missing.map((module) => ({ module }));
  const found = missing.map((module) => ({ module, downloads: downloadsOf(module, pins) }));
  const hosts = new Set(found.flatMap(({ downloads }) => (typeof downloads === 'string' ? [] : hostsOf(downloads))));
  const problems = mode === 'auto' ? await downloader.unreachable([...hosts], signal) : new Map<string, string>();
  for (const problem of new Set(problems.values())) options.log(problem);
  return found.map(({ module, downloads }) => {
    if (typeof downloads !== 'string') return hostsOf(downloads).some((host) => problems.has(host)) ? { module } : { module, downloads };
    if (mode === 'download') throw new CommandError(`FSO_TOOLS=download: ${downloads}`);
    if (problems.size === 0) options.log(`${downloads}; building ${module.name}`);
    return { module };
  });
}

function makeCache(root: string): void {
  try {
    mkdirSync(root, { recursive: true });
  } catch (error) {
    throw new CommandError(`cannot create the tool cache ${root}: ${(error as Error).message}. Set XDG_CACHE_HOME to a writable folder.`);
  }
}

/** @returns the folder of a complete tool; undefined if there is none */
function findTool(module: ToolModule, { root, mode, pins }: Pick<ToolContext, 'root' | 'mode' | 'pins'>): string | undefined {
  const folders = foldersOf(module, mode, downloadsOf(module, pins)).map((folder) => join(root, folder));
  return folders.find((dir) => isComplete(dir, module));
}

/**
 * Counts the work for all tools before the first one starts, so that progress is a share of the
 * whole.
 */
async function countUnits(plans: readonly Plan[], { options, progress }: ToolContext, signal: AbortSignal): Promise<void> {
  for (const { module, downloads } of plans) {
    if (!downloads) await assertGo(goDirective(readGoMod(module)), options.env);
    const units = downloads ? downloadUnits(downloads) : await buildUnits(module, options.env, signal);
    progress.expect(module.name, units);
  }
}

function openContext(options: ToolOptions): Omit<ToolContext, 'progress'> & { readonly missing: readonly ToolModule[] } {
  const mode = modeOf(options.env);
  const pins = readPins(options.env['FSO_TOOLS_PINS'] || PINS_FILE);
  const root = options.cacheRoot ?? toolCacheRoot(options.env);
  const missing = (options.modules ?? LOCAL_TOOLS).filter((module) => findTool(module, { root, mode, pins }) === undefined);
  return { root, mode, pins, options, downloader: new Downloader(options.env), missing };
}

/**
 * Ensures that the programs of the modules are in the user's cache. Downloads missing ones from
 * their upstreams' releases if those are reachable and their checksums are pinned, else builds
 * them, which needs Go.
 *
 * Settings in `env`: `FSO_TOOLS` (`auto`, `download`, `build`), `FSO_TOOLS_MIRROR` (see {@link
 * Downloader}) and `FSO_TOOLS_PINS` (a file instead of pins.json, for a mirror with other files).
 *
 * @returns folder of each module's programs and files, by module name
 * @throws CommandError with a remedy
 */
export async function ensureTools(options: ToolOptions, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
  const { missing, ...rest } = openContext(options);
  if (missing.length > 0) {
    makeCache(rest.root);
    options.log(
      `preparing ${missing.map(contentOf).join(', ')} in ${rest.root}; the first start takes minutes, later ones need none of it`,
    );
    const progress = new ToolProgress(options);
    try {
      await prepare(missing, { ...rest, progress }, signal);
    } finally {
      progress.end();
    }
  }
  return Object.fromEntries((options.modules ?? LOCAL_TOOLS).map((module) => [module.name, findTool(module, rest) ?? '']));
}

async function prepare(missing: readonly ToolModule[], context: ToolContext, signal: AbortSignal): Promise<void> {
  const plans = await planAll(missing, context, signal);
  await countUnits(plans, context, signal);
  for (const plan of plans) {
    const { name } = plan.module;
    const wait = (pid: string): void => context.options.log(`waiting for process ${pid}, which prepares ${name}`);
    const work = async (): Promise<void> => {
      if (findTool(plan.module, context) === undefined) await obtain(plan, context, signal);
    };
    await withLock(join(context.root, `${name}.lock`), work, wait, signal);
    context.progress.finish(name);
  }
}

/**
 * Checks whether tools are available on this machine. Prepares nothing.
 *
 * @returns reason why tools are unavailable; undefined if they are cached, or can be downloaded or
 * built
 */
export async function toolsProblem(options: ToolOptions, signal: AbortSignal): Promise<string | undefined> {
  const quiet = { ...options, log: () => {} };
  const { missing, ...context } = openContext(quiet);
  try {
    const plans = await planAll(missing, context, signal);
    for (const { module, downloads } of plans) if (!downloads) await assertGo(goDirective(readGoMod(module)), options.env);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    return messageOf(error);
  }
}
