import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../../clusters/demo/programs.ts';

/** A range of a source text, in UTF-16 code units, and how often it ran. */
export interface RanRange {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

/** A function as V8 reports it; the first range is the whole function. */
export interface RanFunction {
  readonly functionName: string;
  readonly ranges: readonly RanRange[];
}

/** Functions by file, which is relative to the root of the tree. */
export type RanFunctions = ReadonlyMap<string, readonly RanFunction[]>;

interface CoverageFile {
  readonly result: readonly { readonly url: string; readonly functions: readonly RanFunction[] }[];
}

const PRELOAD = new URL('take-on-signal.ts', import.meta.url).href;

/** Node.js names a file after process, time and thread. */
const isOfMainThread = (path: string, pid: number): boolean => path.includes(`coverage-${pid}-`) && path.endsWith('-0.json');

/** A program of a tree in which V8 counts how often functions run, in all threads. */
export class CoveredProgram {
  readonly #root: string;
  readonly #folder: string;

  /** @param folder for the counts that the program writes; made here */
  constructor(root: string, folder: string) {
    this.#root = root;
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  /** Environment with which the program has to be started. */
  get env(): Readonly<Record<string, string>> {
    // Functions that come out of a compile cache are not counted.
    return { NODE_V8_COVERAGE: this.#folder, NODE_DISABLE_COMPILE_CACHE: '1', NODE_OPTIONS: `--import ${PRELOAD}` };
  }

  /** @returns what ran since the last call, of threads that ended meanwhile as well */
  async take(pid: number, signal: AbortSignal): Promise<RanFunctions> {
    process.kill(pid, 'SIGUSR2');
    const written = async (): Promise<readonly CoverageFile[] | undefined> => {
      const paths = this.#files();
      if (!paths.some((path) => isOfMainThread(path, pid))) return undefined;
      // A file that is still being written is no JSON yet: the next look reads it.
      return paths.map((path) => JSON.parse(readFileSync(path, 'utf8')) as CoverageFile);
    };
    const files = await until(`process ${pid} writes what it ran`, written, signal);
    for (const path of this.#files()) rmSync(path);
    return this.#byFile(files);
  }

  #files(): readonly string[] {
    return readdirSync(this.#folder).map((name) => join(this.#folder, name));
  }

  #byFile(files: readonly CoverageFile[]): RanFunctions {
    const sources = files
      .flatMap(({ result }) => result)
      .filter(({ url }) => url.startsWith('file:'))
      .map(({ url, functions }) => ({ path: fileURLToPath(url), functions }))
      .filter(({ path }) => path.startsWith(`${this.#root}/`) && !path.includes('/node_modules/'));
    const byFile = Map.groupBy(sources, ({ path }) => path.slice(this.#root.length + 1));
    return new Map([...byFile].map(([file, parts]) => [file, parts.flatMap(({ functions }) => functions)]));
  }
}
