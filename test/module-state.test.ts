import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

/**
 * Modules keep no state: what a part remembers is a field of an object, and what follows from a
 * value is remembered by shared/runtime/memo.ts (docs/mechanisms.md#identity). Constant tables are
 * read-only, or have their content where they stand.
 */

const ROOT = join(import.meta.dirname, '..');

const STATE = [/^(export )?let /, /^(export )?const \w+(: [^=]+)? = new Weak\w+[<(]/, /^(export )?const \w+ = new (Map|Set)(<.*>)?\(\);/];

const sources = globSync('{agent,clusters,hub,shared}/**/*.ts', {
  cwd: ROOT,
  exclude: (path) => /(^|\/)(node_modules|dist|dashboard|testing)(\/|$)|\.test\.ts$/.test(path.replaceAll('\\', '/')),
});

it('modules keep no state', () => {
  expect(sources.length).toBeGreaterThan(500);
  const found = sources.flatMap((path) =>
    readFileSync(join(ROOT, path), 'utf8')
      .split('\n')
      .flatMap((line, index) => (STATE.some((pattern) => pattern.test(line)) ? [`${path}:${index + 1}`] : [])),
  );
  expect(found).toEqual([]);
});
