import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type SourceImport, sourceImports } from './harness/source-imports.ts';

/**
 * A door is the index.ts of a room: what stands there is read by people who do not know the room. A
 * room of which the others need one file alone has that file as its door.
 */

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const doors = globSync('{agent,hub,shared}/**/index.ts', { cwd: root, exclude: ['**/node_modules/**', '**/dist/**'] }).map((path) =>
  path.replaceAll('\\', '/'),
);

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

  it.each(doors)('%s: functions and classes have a docstring', (door) => {
    expect(findingsOf(door)).toEqual([]);
  });
});

/** Imports past a door that are meant, as `from → to`. */
const PAST_DOORS: readonly string[] = [
  // Browsers read documents, catalogues and plans, and these doors load modules of Node.js.
  'shared/decode/portable.ts → shared/encoding/canonical-json.ts',
  'shared/effects/acceptance/outcome-text.ts → shared/runtime/text.ts',
  'shared/effects/plan-text.ts → shared/runtime/text.ts',
  'shared/effects/workload-rows.ts → shared/runtime/text.ts',
  'shared/regions/conflicts.ts → shared/encoding/canonical-json.ts',
  'shared/regions/reference-problem.ts → shared/runtime/text.ts',
  'shared/regions/resolver.ts → shared/encoding/group-by.ts',
];

/** @returns the room of a file: the folder of its package that it lies in, if in any */
const roomOf = (path: string): string | undefined => (path.split('/').length > 2 ? path.split('/').slice(0, 2).join('/') : undefined);

/**
 * @returns imports of one room's files by another part of the package; the dashboard is a package
 * of its own
 */
const arrowsInto = (folder: string): readonly SourceImport[] =>
  sourceImports(join(root, folder))
    .map(({ from, to }) => ({ from: posix.join(folder, from), to: posix.join(folder, to) }))
    .filter(({ from }) => !from.startsWith('hub/dashboard/'))
    .filter(({ from, to }) => roomOf(to) !== undefined && roomOf(from) !== roomOf(to));

/** @returns `from → to` of imports that do not go through the door of a room */
const importsPastDoors = (folder: string): readonly string[] =>
  [...Map.groupBy(arrowsInto(folder), ({ to }) => roomOf(to))].flatMap(([room, arrows]) => {
    const entered = new Set(arrows.map(({ to }) => to));
    const isOneFile = entered.size === 1 && !existsSync(join(root, `${room}/index.ts`));
    return isOneFile ? [] : arrows.filter(({ to }) => to !== `${room}/index.ts`).map(({ from, to }) => `${from} → ${to}`);
  });

describe('rooms', () => {
  it.each(['shared', 'hub', 'agent'])('%s: are imported through their entry points', (folder) => {
    expect(importsPastDoors(folder).filter((arrow) => !PAST_DOORS.includes(arrow))).toEqual([]);
  });
});
