import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';

/** A door is the index.ts of a room: what stands there is read by people who do not know the room. */

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const doors = globSync('{agent,hub,shared}/**/index.ts', { cwd: root, exclude: ['**/node_modules/**', '**/dist/**'] }).map((path) =>
  path.replaceAll('\\', '/'),
);

/** Rooms with functions or classes that have no docstring yet. */
const UNDOCUMENTED: readonly string[] = [];

const REEXPORT = /export (?:type )?(\*|\{[^}]*\}) from '(\.[^']+)'/g;
const DECLARATION =
  /^export (?:async )?(?:function\*? (\w+)|(?:abstract )?class (\w+)|const (\w+)(?:: [^=]+(?:=>[^=]+)*)? =\s*(?:async )?(?:<|\(|\w+ =>))/;

/** @returns names of functions and classes that a module exports without a docstring */
const undocumented = (path: string): string[] => {
  const lines = read(path).split('\n');
  return lines.flatMap((line, index) => {
    const name = DECLARATION.exec(line)
      ?.slice(1)
      .find((candidate) => candidate !== undefined);
    return name === undefined || lines[index - 1]?.trimEnd().endsWith('*/') === true ? [] : [name];
  });
};

/** @returns `path#name` of each export of a door that has no docstring */
const findingsOf = (door: string): string[] => [
  ...undocumented(door).map((name) => `${door}#${name}`),
  ...[...read(door).matchAll(REEXPORT)].flatMap(([, names = '', source = '']) => {
    const path = posix.join(posix.dirname(door), source);
    if (!existsSync(join(root, path)) || path.endsWith('/index.ts')) return [];
    const exported =
      names === '*'
        ? undefined
        : new Set(
            names
              .slice(1, -1)
              .split(',')
              .map((name) => name.trim().split(' as ')[0]),
          );
    return undocumented(path)
      .filter((name) => exported?.has(name) ?? true)
      .map((name) => `${path}#${name}`);
  }),
];

describe('doors', () => {
  it('are found', () => {
    expect(doors.length).toBeGreaterThan(15);
  });

  it.each(doors.filter((door) => !UNDOCUMENTED.includes(posix.dirname(door))))('%s: functions and classes have a docstring', (door) => {
    expect(findingsOf(door)).toEqual([]);
  });
});
