import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Generated file; `path` is relative to the repository's root. */
export interface Generated {
  readonly path: string;
  readonly content: string;
}

const root = join(import.meta.dirname, '..', '..');

/** Reads the current content of a file; undefined if there is none. */
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

/**
 * Writes the files that are outdated. With `check`, lists them and writes nothing.
 *
 * @returns the exit code of the program
 */
export const generate = async (files: readonly Generated[], check: boolean): Promise<number> => {
  const states = await Promise.all(files.map(async (file) => ({ file, differs: (await current(file.path)) !== file.content })));
  const outdated = states.filter(({ differs }) => differs).map(({ file }) => file);
  if (!check) {
    await Promise.all(outdated.map(write));
    console.log(`${files.length} generated files, ${outdated.length} changed`);
    return 0;
  }
  for (const { path } of outdated) console.error(`${path} is not what the code generates`);
  if (outdated.length > 0) console.error('run npm run gen and commit the result');
  return outdated.length > 0 ? 1 : 0;
};
