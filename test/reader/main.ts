/**
 * Picks exported names at random and prints what a reader sees who does not know the code: the name
 * and its doc comment. A name counts as understood when the reader can say from that what it is;
 * `--with-path` prints where each stands, to compare.
 *
 *   npm run reader -- [--seed 7] [--names 30] [--with-path]
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readOptions } from '../harness/options.ts';
import { createRandom, shuffled } from '../harness/random.ts';
import { sourceFiles } from '../harness/source-imports.ts';

const USAGE = 'npm run reader -- [--seed 7] [--names 30] [--with-path]';
const values = readOptions(USAGE, {
  seed: { type: 'string', default: String(randomInt(2 ** 31 - 1)) },
  names: { type: 'string', default: '30' },
  'with-path': { type: 'boolean', default: false },
});

interface Exported {
  readonly file: string;
  /** Kind and name: `class Session`. */
  readonly name: string;
  /** Lines of the doc comment; none: it has none. */
  readonly comment: readonly string[];
}

const ROOT = join(import.meta.dirname, '../..');
const EXPORT = /^export (?:abstract )?(?:async )?((?:const|function|class|interface|type) \w+)/;

/** @returns the comment that ends on the line before `at` */
const commentBefore = (lines: readonly string[], at: number): readonly string[] => {
  if (lines[at - 1]?.endsWith('*/') !== true) return [];
  const start = lines.slice(0, at).findLastIndex((line) => line.startsWith('/**'));
  return lines.slice(start, at).map((line) => line.replace(/^\/\*\*|^ \*(?!\/)|\*\/$/g, '').trim());
};

const exportsOf = (file: string): readonly Exported[] => {
  const lines = readFileSync(join(ROOT, file), 'utf8').split('\n');
  const found = lines.flatMap((line, at): readonly (Exported & { readonly bare: string })[] => {
    const [, name = ''] = EXPORT.exec(line) ?? [];
    const comment = commentBefore(lines, at).filter((text) => text !== '');
    return name === '' ? [] : [{ file, name, comment, bare: name.split(' ')[1] ?? '' }];
  });
  // A schema and its type share a name and a comment, which stands at the first of them.
  return [...Map.groupBy(found, ({ bare }) => bare).values()].flatMap(([first]) => first ?? []);
};

const all = ['shared', 'hub', 'agent', 'clusters'].flatMap((folder) =>
  sourceFiles(join(ROOT, folder)).flatMap((file) => exportsOf(`${folder}/${file}`)),
);
console.log(`seed ${values.seed}, ${values.names} of ${all.length} exported names`);
const picked = shuffled(all, createRandom(Number(values.seed))).slice(0, Number(values.names));
for (const { file, name, comment } of picked) {
  console.log(`\n${name}${values['with-path'] ? `  (${file})` : ''}`);
  for (const line of comment) console.log(`  ${line}`);
}
