/**
 * Turns the TypeScript files of folders into JavaScript, in place: Node.js would load the program
 * that strips types at each first start of a container, 15 MiB that stay.
 *
 *   node deploy/images/to-javascript.ts <folder>...
 *
 * Fails where a file would take the place of another one.
 */
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';

/** Relative path of a module in a program. */
const MODULE = /(['"`])(\.{1,2}\/[^'"`\n]+)\.ts\1/g;
/** Path of a module in a `package.json`. */
const EXPORT = /\.ts"/g;

const filesIn = (name: string): string[] => process.argv.slice(2).flatMap((folder) => globSync(`${folder}/${name}`));
const read = (file: string): string => readFileSync(file, 'utf8');
const withPaths = (program: string): string => program.replace(MODULE, '$1$2.js$1');

for (const file of [...filesIn('**/*.js'), ...filesIn('bin/*')]) writeFileSync(file, withPaths(read(file)));
for (const file of filesIn('**/*.ts')) {
  const target = file.replace(/\.ts$/, '.js');
  if (existsSync(target)) throw new Error(`${target} is there already`);
  writeFileSync(target, withPaths(stripTypeScriptTypes(read(file))));
  rmSync(file);
}
for (const file of filesIn('package.json')) writeFileSync(file, read(file).replace(EXPORT, '.js"'));
