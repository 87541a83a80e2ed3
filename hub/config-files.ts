import { readFile } from 'node:fs/promises';
import type { Environment } from '@fso/shared/runtime';
import { parseTokens } from './delivery/index.ts';

/** Collects what is wrong, so that it is all said at once. */
export type Problems = string[];

const readText = async (variable: string, path: string, problems: Problems): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    problems.push(`${variable}: ${path} cannot be read (${String(Reflect.get(Object(error), 'code'))})`);
    return undefined;
  }
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

/** @returns tokens by cluster; none where there is a problem */
export const readTokens = async (variable: string, path: string, problems: Problems): Promise<ReadonlyMap<string, string>> => {
  const text = await readText(variable, path, problems);
  if (text === undefined) return new Map();
  try {
    return parseTokens(text);
  } catch (error) {
    problems.push(`${variable}: ${error instanceof Error ? error.message : String(error)}`);
    return new Map();
  }
};

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

export const readTls = async (files: { cert?: string; key?: string }, problems: Problems): Promise<TlsFiles | undefined> => {
  if (files.cert === undefined && files.key === undefined) return undefined;
  if (files.cert === undefined || files.key === undefined) {
    problems.push('FSO_AGENT_TLS_CERT_FILE, FSO_AGENT_TLS_KEY_FILE: both or none must be set');
    return undefined;
  }
  const cert = await readText('FSO_AGENT_TLS_CERT_FILE', files.cert, problems);
  const key = await readText('FSO_AGENT_TLS_KEY_FILE', files.key, problems);
  return cert === undefined || key === undefined ? undefined : { cert, key };
};
