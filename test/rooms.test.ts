import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sourceFiles, sourceImports } from './harness/source-imports.ts';

const ROOT = join(import.meta.dirname, '..');

/** A line of the table: `| \`hub\` | ledger, source, … |`. */
const LINE = /^\| `([\w/-]+)` \| ([\w./-]+(?:, [\w./-]+)+) \|$/gm;

interface House {
  /** Relative to the repository's root. */
  readonly folder: string;
  /** Folders, and files that stand for themselves; each may import those before it. */
  readonly rooms: readonly string[];
}

const readHouses = (): readonly House[] => {
  const text = readFileSync(join(ROOT, 'docs/development.md'), 'utf8');
  const [, section = ''] = text.split('\n## Rooms\n');
  const [table = ''] = section.split('\n## ');
  return [...table.matchAll(LINE)].map(([, folder = '', rooms = '']) => ({ folder, rooms: rooms.split(', ') }));
};

/**
 * @param path relative to the house. @returns its room: the first folder, or the file itself where
 * it lies in none
 */
const roomOf = (path: string): string => path.split('/')[0] ?? path;

/**
 * @returns `from → to` of each import that the order forbids, or that leads out of or into a room
 * that the table does not name
 */
const arrowsBack = ({ folder, rooms }: House): readonly string[] => {
  const place = new Map(rooms.map((room, index) => [room, index]));
  return sourceImports(join(ROOT, folder))
    .filter(({ from, to }) => roomOf(from) !== roomOf(to))
    .filter(({ from, to }) => {
      const [higher, lower] = [place.get(roomOf(from)), place.get(roomOf(to))];
      return higher === undefined || lower === undefined || lower > higher;
    })
    .map(({ from, to }) => `${from} → ${to}`);
};

/** @returns files whose imports, types included, lead in or into a circle */
const circlesOf = ({ folder }: House): readonly string[] => {
  const imports = Map.groupBy(sourceImports(join(ROOT, folder)), ({ from }) => from);
  let left = [...imports.keys()];
  for (;;) {
    const among = new Set(left);
    const next = left.filter((path) => imports.get(path)?.some(({ to }) => among.has(to)));
    if (next.length === left.length) return left;
    left = next;
  }
};

/** Most files of a folder, so that a reader sees what is in it at a glance. */
const MAX_FILES = 12;

/** @returns folders with more files beside their door, with the number of files */
const fullFolders = (): readonly string[] => {
  const files = ['shared', 'hub', 'agent', 'clusters']
    .flatMap((house) => sourceFiles(join(ROOT, house)).map((path) => posix.join(house, path)))
    .filter((path) => posix.basename(path) !== 'index.ts');
  const byFolder = Map.groupBy(files, posix.dirname);
  return [...byFolder].filter(([, { length }]) => length > MAX_FILES).map(([folder, { length }]) => `${folder}: ${length}`);
};

describe('rooms', () => {
  const houses = readHouses();

  it('the table of docs/development.md is read', () => {
    expect(houses.length).toBeGreaterThan(0);
  });

  it.each(houses)('$folder: each room imports only those before it', (house) => {
    expect(arrowsBack(house)).toEqual([]);
  });

  it.each(houses)('$folder: no imports lead in a circle', (house) => {
    expect(circlesOf(house)).toEqual([]);
  });

  it(`a folder has at most ${MAX_FILES} files beside its door`, () => {
    expect(fullFolders()).toEqual([]);
  });
});
