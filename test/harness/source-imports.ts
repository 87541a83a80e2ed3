import { globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

const NO_SOURCE = /\.test\.tsx?$|(^|\/)(testing|node_modules|dist)\//;
const IMPORT = /\bfrom '(\.[^']+)'|\bimport\('(\.[^']+)'\)/g;

/** Import of one file by another, both relative to the folder that was searched. */
export interface SourceImport {
  readonly from: string;
  readonly to: string;
}

/** Returns the source files below a folder, relative to it, without tests and their helpers. */
export const sourceFiles = (folder: string): readonly string[] =>
  globSync('**/*.{ts,tsx,js}', { cwd: folder })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !NO_SOURCE.test(path));

/** Returns the imports between source files below a folder, by `import` and `export … from`. */
export const sourceImports = (folder: string): readonly SourceImport[] =>
  sourceFiles(folder)
    .flatMap((from) =>
      [...readFileSync(join(folder, from), 'utf8').matchAll(IMPORT)].map(([, fixed, late]) => ({
        from,
        to: posix.join(posix.dirname(from), fixed ?? late ?? ''),
      })),
    )
    .filter(({ to }) => !to.startsWith('..') && /\.(ts|tsx|js)$/.test(to));
