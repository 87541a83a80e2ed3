/**
 * Turns the TypeScript files of folders into JavaScript, in place: Node.js would load the program
 * that strips types at each first start of a container, 15 MiB that stay.
 *
 *   node deploy/images/to-javascript.ts <folder>...
 */
import { globSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';

/** Relative path of a module in a program. */
const MODULE = /(['"])(\.{1,2}\/[^'"\n]+)\.ts\1/g;
/** Path of a module in a `package.json`. */
const EXPORT = /\.ts"/g;

const rewrite = (file: string, change: (text: string) => string): void => writeFileSync(file, change(readFileSync(file, 'utf8')));
const filesIn = (name: string): string[] => process.argv.slice(2).flatMap((folder) => globSync(`${folder}/${name}`));

for (const file of filesIn('**/*.ts')) {
  rewrite(file, (text) => stripTypeScriptTypes(text).replace(MODULE, '$1$2.js$1'));
  renameSync(file, file.replace(/\.ts$/, '.js'));
}
for (const file of filesIn('bin/*')) rewrite(file, (text) => text.replace(MODULE, '$1$2.js$1'));
for (const file of filesIn('package.json')) rewrite(file, (text) => text.replace(EXPORT, '.js"'));
