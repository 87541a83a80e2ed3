/**
 * Writes the files that are made from the code: `npm run gen`.
 * With `--check` it writes nothing and exits 1 when a file is not what the code would make of it.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Generated, PRODUCERS } from './producers.ts';

const root = join(import.meta.dirname, '..', '..');

/** What stands in a file now; undefined when there is none. */
const current = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(join(root, path), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

const write = async ({ path, content }: Generated): Promise<void> => {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
  console.log(`wrote ${path}`);
};

const generated = PRODUCERS.flatMap((produce) => produce());
const states = await Promise.all(generated.map(async (file) => ({ file, differs: (await current(file.path)) !== file.content })));
const outdated = states.filter(({ differs }) => differs).map(({ file }) => file);

if (!process.argv.includes('--check')) {
  await Promise.all(outdated.map(write));
  console.log(`${generated.length} generated files, ${outdated.length} changed`);
} else if (outdated.length > 0) {
  for (const { path } of outdated) console.error(`${path} is not what the code generates`);
  console.error('run npm run gen and commit the result');
  process.exitCode = 1;
}
