import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const PARTS = ['agent', 'shared', 'crds', 'package.json'];
const LEFT_OUT = /^(node_modules|testing)$|\.test\.ts$/;

/**
 * Builds the agent's program in a folder like its image does, in JavaScript, since stripping types
 * at run time would use memory. @returns path of its main module
 */
export const makeAgentProgram = async (folder: string): Promise<string> => {
  const app = join(folder, 'app');
  const modules = join(app, 'node_modules');
  const filter = (source: string): boolean => !LEFT_OUT.test(basename(source));
  for (const part of PARTS) await cp(join(ROOT, part), join(app, part), { recursive: true, filter });
  await mkdir(join(modules, '@fso'), { recursive: true });
  const others = (await readdir(join(ROOT, 'node_modules'))).filter((name) => name !== '@fso');
  for (const name of others) await symlink(join(ROOT, 'node_modules', name), join(modules, name));
  await symlink(join(app, 'shared'), join(modules, '@fso', 'shared'));
  const convert = join(ROOT, 'deploy', 'images', 'to-javascript.ts');
  await promisify(execFile)(process.execPath, [convert, join(app, 'agent'), join(app, 'shared')]);
  return join(app, 'agent', 'main.js');
};
