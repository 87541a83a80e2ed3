import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

/** Tests say what is right on every machine: how fast a machine is, `npm run bench` says. */

const root = join(import.meta.dirname, '..');
const FILES = globSync(['{shared,hub,agent,clusters}/**/*.test.ts', 'test/**/*.ts'], {
  cwd: root,
  exclude: (name) => name.includes('node_modules'),
}).filter((file) => !file.startsWith('test/bench/') && file !== 'test/limits.test.ts');

const linesWith = (pattern: RegExp): string[] =>
  FILES.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  );

it('asserts in no test how long something takes', () => {
  expect(
    linesWith(
      /(performance|Date)\.now\(\).*\.toBeLess|\b(median|quantile|took|waited|workMs)\b.*\)\.toBeLess|\.toBeLess\w+\(\w*(_MS|SECOND)/,
    ),
  ).toEqual([]);
});

it('keeps guards against hanging in one place', () => {
  // These wait by vi.waitFor, which advances fake timers and takes checks that give nothing.
  const found = linesWith(/^\s*\}, [0-9_]{4,}\);|AbortSignal\.timeout\([0-9]|vi\.wait(For|Until)\(|\.poll\(.*timeout:/);
  expect(
    found.filter((line) => !/^(hub\/dashboard\/app\/live\/connection|shared\/kube\/informer\/reflector)\.test\.ts/.test(line)),
  ).toEqual([]);
});
