import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sourceFiles } from './harness/source-imports.ts';

/** Bounds of what one file, one function and one folder hold, so that a reader sees them whole. */

const ROOT = join(import.meta.dirname, '..');

const MAX_FILE = 300;
const MAX_FUNCTION = 80;
const MAX_COMMENT = 100;
/** Source files at the root of a package: what puts its folders together. */
const MAX_ROOT_FILES = 12;

/** A line that opens a function: it ends in an arrow, or in a list of parameters. */
const OPENS = /(=>|\)(: .+)?) \{$/;
/**
 * Lines that look so and open something else, or a group of tests, which is as long as its tests.
 */
const OPENS_OTHER = /^\s*(\}? ?(else|catch)|if|for|while|switch|class|interface|try)\b|\bdescribe(\.\w+)*\(/;

interface Lines {
  readonly path: string;
  readonly lines: readonly string[];
}

const readSources = (): readonly Lines[] =>
  [
    ...globSync('{agent,clusters,deploy,hub,shared,test}/**/*.{ts,tsx,mjs,js}', {
      cwd: ROOT,
      exclude: (path) => /(^|\/)(node_modules|dist|\.\w+)(\/|$)/.test(path),
    }),
    ...globSync('*.{ts,mjs}', { cwd: ROOT }),
  ].map((path) => ({ path: path.replaceAll('\\', '/'), lines: readFileSync(join(ROOT, path), 'utf8').trimEnd().split('\n') }));

const indentOf = (line: string): string => /^ */.exec(line)?.[0] ?? '';

/** @returns `path: lines` of each file that is too long */
const longFiles = (sources: readonly Lines[]): readonly string[] =>
  sources.filter(({ lines }) => lines.length > MAX_FILE).map(({ path, lines }) => `${path}: ${lines.length}`);

/**
 * The code is formatted: a function ends at the first brace with the indentation of its first line.
 */
const lengthOf = (lines: readonly string[], start: number): number => {
  const end = lines.findIndex((line, index) => index > start && line.startsWith(`${indentOf(lines[start] ?? '')}}`));
  return (end === -1 ? lines.length : end) - start - 1;
};

/** @returns `path:line: lines` of each function that is too long */
const longFunctions = (sources: readonly Lines[]): readonly string[] =>
  sources.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => {
      if (!OPENS.test(line) || OPENS_OTHER.test(line)) return [];
      const length = lengthOf(lines, index);
      return length > MAX_FUNCTION ? [`${path}:${index + 1}: ${length}`] : [];
    }),
  );

/** A line of nothing but a comment. */
const COMMENT = /^\s*(\/\/|\/\*\*?|\*)/;
/** Lines that cannot be wrapped: an address, a directive of a tool, or a command. */
const UNBREAKABLE = /^\s*(\*|\/\/) (\(?https:\/\/\S+|biome-ignore .+| +(npm|node) .+)$/;

/** @returns `path:line` of each comment line that is too long */
const longComments = (sources: readonly Lines[]): readonly string[] =>
  sources.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) =>
      COMMENT.test(line) && line.length > MAX_COMMENT && !UNBREAKABLE.test(line) ? [`${path}:${index + 1}`] : [],
    ),
  );

/** @param files relative to the package @returns those at its root, where they are too many */
const rootFiles = (files: readonly string[]): readonly string[] => {
  const atRoot = files.filter((path) => !path.includes('/'));
  return atRoot.length > MAX_ROOT_FILES ? atRoot : [];
};

describe('shape', () => {
  const sources = readSources();

  it('is read', () => {
    expect(sources.length).toBeGreaterThan(1_000);
  });

  it(`a file has at most ${MAX_FILE} lines`, () => {
    expect(longFiles(sources)).toEqual([]);
  });

  it(`a function has at most ${MAX_FUNCTION} lines`, () => {
    expect(longFunctions(sources)).toEqual([]);
  });

  it(`a line of a comment has at most ${MAX_COMMENT} columns`, () => {
    expect(longComments(sources)).toEqual([]);
  });

  it.each(['agent', 'clusters', 'hub', 'shared'])(`keeps at most ${MAX_ROOT_FILES} files at the root of %s`, (name) => {
    expect(rootFiles(sourceFiles(join(ROOT, name)))).toEqual([]);
  });
});

describe('shape that is not kept', () => {
  const body = (count: number): string[] => Array.from({ length: count }, () => '  next();');
  const functionOf = (first: string, count: number): Lines => ({ path: 'a.ts', lines: [first, ...body(count), '};'] });

  it('is found in a file', () => {
    expect(longFiles([{ path: 'a.ts', lines: body(MAX_FILE) }])).toEqual([]);
    expect(longFiles([{ path: 'a.ts', lines: body(MAX_FILE + 1) }])).toEqual([`a.ts: ${MAX_FILE + 1}`]);
  });

  it.each([
    'const run = async (): Promise<void> => {',
    'export function run(): void {',
    "it('runs', async () => {",
    'constructor(deps: Deps) {',
  ])('is found in a function: %s', (first) => {
    expect(longFunctions([functionOf(first, MAX_FUNCTION)])).toEqual([]);
    expect(longFunctions([functionOf(first, MAX_FUNCTION + 1)])).toEqual([`a.ts:1: ${MAX_FUNCTION + 1}`]);
  });

  it('is found in a nested function, and not in the function around it', () => {
    const inner = functionOf('const inner = () => {', MAX_FUNCTION + 1).lines.map((line) => `  ${line}`);
    expect(longFunctions([{ path: 'a.ts', lines: ["describe('a', () => {", ...inner, '});'] }])).toEqual([`a.ts:2: ${MAX_FUNCTION + 1}`]);
  });

  it.each(['// ', ' * ', '/** '])('is found in a comment: %j', (start) => {
    const comment = (length: number): Lines => ({ path: 'a.ts', lines: [start.padEnd(length, 'x')] });
    expect(longComments([comment(MAX_COMMENT)])).toEqual([]);
    expect(longComments([comment(MAX_COMMENT + 1)])).toEqual(['a.ts:1']);
    expect(longComments([{ path: 'a.ts', lines: [`const text = '${'x'.repeat(MAX_COMMENT)}'; // y`] }])).toEqual([]);
  });

  it('is found at the root of a package', () => {
    const files = Array.from({ length: MAX_ROOT_FILES + 1 }, (_, index) => `f${index}.ts`);
    expect(rootFiles([...files.slice(1), 'folder/other.ts'])).toEqual([]);
    expect(rootFiles(files)).toEqual(files);
  });
});
