import { readFile } from 'node:fs/promises';
import type { Environment } from './config.ts';

/** Collects what is wrong, so that it is all said at once. */
export type Problems = string[];

/** @returns the text of the file that a variable names; undefined where there is a problem */
export const readText = async (variable: string, path: string, problems: Problems): Promise<string | undefined> => {
  try {
    const text = await readFile(path, 'utf8');
    if (text.trim() !== '') return text;
    problems.push(`${variable}: ${path} is empty`);
  } catch (error) {
    problems.push(`${variable}: ${path} cannot be read (${String(Reflect.get(Object(error), 'code'))})`);
  }
  return undefined;
};

/** Secrets may stand in a file named by `<variable>_FILE`, so that they are not in the environment of the process. */
export const readSecrets = async (env: Environment, names: readonly string[], problems: Problems): Promise<Record<string, string>> => {
  const secrets: Record<string, string> = {};
  for (const name of names) {
    const path = env[`${name}_FILE`];
    if (!path) continue;
    if (env[name]) problems.push(`${name}, ${name}_FILE: only one of them may be set`);
    const text = await readText(`${name}_FILE`, path, problems);
    if (text !== undefined) secrets[name] = text.trim();
  }
  return secrets;
};
