import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { basename, delimiter, dirname, join, matchesGlob, relative, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';

/**
 * Builds the files of an image from its Dockerfile without a container engine. The base is an empty
 * folder, and RUN runs on this machine. Only the few instructions of this repository's Dockerfile
 * are supported; others throw.
 *
 * Stages share files by hard links, so RUN may add and remove files but must not modify one.
 */

const ROOT = join(import.meta.dirname, '..', '..');
const DOCKERFILE = join(ROOT, 'deploy/images/Dockerfile');

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

interface Stage {
  readonly from: string;
  readonly instructions: readonly Instruction[];
}

export interface ImageFiles {
  /** Folder that is `/` in the image. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
}

interface State extends ImageFiles {
  readonly workdir: string;
}

const EMPTY = { env: {}, labels: {}, user: '', entrypoint: [], command: [], workdir: '/' };

const parseInstructions = (text: string): readonly Instruction[] =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => {
      const [name = '', ...words] = line.split(' ');
      return { name, rest: words.join(' ') };
    });

/** Reads the stages of the Dockerfile, by name. */
const readStages = async (): Promise<ReadonlyMap<string, Stage>> => {
  const stages = new Map<string, { from: string; instructions: Instruction[] }>();
  for (const instruction of parseInstructions(await readFile(DOCKERFILE, 'utf8'))) {
    const [, from = '', name] = /^(?:--platform=\S+ )?(\S+) AS (\S+)$/.exec(instruction.name === 'FROM' ? instruction.rest : '') ?? [];
    if (name === undefined) [...stages.values()].at(-1)?.instructions.push(instruction);
    else stages.set(name, { from, instructions: [] });
  }
  return stages;
};

/**
 * Reads `.dockerignore` like builders do: a pattern includes everything below it, and the last
 * matching one decides.
 */
const readIgnored = async (): Promise<(path: string) => boolean> => {
  const patterns = (await readFile(join(ROOT, '.dockerignore'), 'utf8')).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const covers = (pattern: string, path: string): boolean =>
    path.split('/').some((_, index, parts) => matchesGlob(parts.slice(0, index + 1).join('/'), pattern));
  return (path) =>
    patterns.reduce((ignored, pattern) => (covers(pattern.replace(/^!/, ''), path) ? !pattern.startsWith('!') : ignored), false);
};

const pairOf = (rest: string): readonly [string, string] => {
  const [, name = '', value = ''] = /^([\w.]+)="?(.*?)"?$/.exec(rest) ?? [];
  return [name, value];
};

const linkTree = async (from: string, to: string): Promise<void> => {
  await promisify(execFile)('cp', ['--archive', '--link', '--no-target-directory', from, to]);
};

export class ImageBuilder {
  readonly #folder: string;
  readonly #built: Map<string, Promise<State>>;

  /**
   * @param folder empty folder, in which each stage gets a folder
   * @param given root folders of existing stages, by name
   */
  constructor(folder: string, given: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.#built = new Map(Object.entries(given).map(([name, root]) => [name, Promise.resolve({ ...EMPTY, folder: root })]));
  }

  async build(target: string): Promise<ImageFiles> {
    const stages = await readStages();
    return this.#stage(stages, target);
  }

  #stage(stages: ReadonlyMap<string, Stage>, name: string): Promise<State> {
    const known = this.#built.get(name);
    if (known !== undefined) return known;
    const building = this.#runStage(stages, name);
    this.#built.set(name, building);
    return building;
  }

  async #runStage(stages: ReadonlyMap<string, Stage>, name: string): Promise<State> {
    const stage = stages.get(name);
    if (stage === undefined) throw new Error(`the Dockerfile has no stage ${name}`);
    const folder = join(this.#folder, name);
    await mkdir(folder, { recursive: true });
    const parent = stages.has(stage.from) ? await this.#stage(stages, stage.from) : undefined;
    if (parent !== undefined) await linkTree(parent.folder, folder);
    let state: State = { ...(parent ?? EMPTY), folder };
    for (const instruction of stage.instructions) state = { ...state, ...(await this.#runInstruction(stages, state, instruction)) };
    return state;
  }

  async #runInstruction(stages: ReadonlyMap<string, Stage>, state: State, { name, rest }: Instruction): Promise<Partial<State>> {
    const [key, value] = pairOf(rest);
    switch (name) {
      case 'ARG':
      case 'EXPOSE':
        return {};
      case 'ENV':
        return { env: { ...state.env, [key]: value } };
      case 'LABEL':
        return { labels: { ...state.labels, [key]: value } };
      case 'USER':
        return { user: rest };
      case 'WORKDIR':
        await mkdir(join(state.folder, rest), { recursive: true });
        return { workdir: rest };
      case 'ENTRYPOINT':
        return { entrypoint: JSON.parse(rest) as string[] };
      case 'CMD':
        return { command: JSON.parse(rest) as string[] };
      case 'RUN':
        await runShell(rest, join(state.folder, state.workdir));
        return {};
      case 'COPY':
        await this.#copy(stages, state, rest);
        return {};
      default:
        throw new Error(`the instruction ${name} is not known here`);
    }
  }

  async #copy(stages: ReadonlyMap<string, Stage>, { folder, workdir }: State, rest: string): Promise<void> {
    const [, other, paths = ''] = /^(?:--from=(\S+) )?(.*)$/.exec(rest) ?? [];
    const sources = paths.split(' ');
    const target = sources.pop() ?? '';
    const origin = other === undefined ? ROOT : (await this.#stage(stages, other)).folder;
    const isIgnored = await readIgnored();
    const filter = (path: string): boolean => !isIgnored(relative(origin, path));
    const destination = join(folder, resolve(workdir, target));
    for (const source of sources) {
      const from = join(origin, source);
      const isFolder = (await stat(from)).isDirectory();
      const to = isFolder || !target.endsWith('/') ? destination : join(destination, basename(source));
      await mkdir(dirname(to), { recursive: true });
      if (other === undefined) await cp(from, to, { recursive: true, verbatimSymlinks: true, filter });
      else await linkTree(from, to);
    }
  }
}

/**
 * Runs a command with the Node.js of this process, and the environment's settings for the registry.
 */
const runShell = async (command: string, cwd: string): Promise<void> => {
  const { PATH = '', HOME = '' } = process.env;
  const settings = Object.entries(process.env).filter(([name]) =>
    /^(npm_config_|https?_proxy$|no_proxy$|node_extra_ca_certs$)/i.test(name),
  );
  // The lock file pins all versions, so what npm has cached need not be requested again.
  const offline = { npm_config_prefer_offline: 'true' };
  const env = { ...offline, ...Object.fromEntries(settings), HOME, PATH: `${dirname(process.execPath)}${delimiter}${PATH}` };
  const child = spawn('sh', ['-c', command], { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] });
  const said = await text(child.stderr);
  if (child.exitCode === null) await once(child, 'exit');
  if (child.exitCode !== 0) throw new Error(`${command} failed (${child.exitCode}): ${said}`);
};

export interface ImageFigures {
  /** Size of the files that the image adds to its base, rounded to a tenth. */
  readonly megabytes: number;
  readonly files: number;
  /** Number of third-party packages. */
  readonly packages: number;
}

const MB = 1_000_000;

/** Measures the files of an image. */
export const imageFigures = async ({ folder }: ImageFiles): Promise<ImageFigures> => {
  const files = await listFiles(folder);
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(folder, file))).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const packages = files.filter((file) => /node_modules\/(?:@[^/]+\/)?[^/]+\/package\.json$/.test(file));
  return { megabytes: Math.round((bytes / MB) * 10) / 10, files: files.length, packages: packages.length };
};

/** Lists the files below a folder, relative to it. Symbolic links are not followed. */
export const listFiles = async (folder: string): Promise<readonly string[]> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
