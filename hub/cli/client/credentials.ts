import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '@fso/shared/text';
import { CliError } from '../errors.ts';

type StoredTokens = Readonly<Record<string, { readonly token: string }>>;

const OTHERS = 0o077;

/** Scheme, host, port and path, however it was written. */
const keyOf = (server: string): string => new URL(server).href.replace(/\/+$/, '');

const isStoredTokens = (value: unknown): value is StoredTokens =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every((entry) => typeof Reflect.get(Object(entry), 'token') === 'string');

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const read = (path: string): StoredTokens => {
  let text: string;
  try {
    if (process.platform !== 'win32' && (statSync(path).mode & OTHERS) !== 0)
      throw new CliError(`${path} holds tokens, and others of this machine may read it: chmod 600 ${path}, and have the tokens replaced`);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof CliError) throw error;
    if (Reflect.get(Object(error), 'code') === 'ENOENT') return {};
    throw new CliError(`cannot read ${path}: ${messageOf(error)}`);
  }
  const stored = parse(text);
  if (!isStoredTokens(stored)) throw new CliError(`${path} is damaged: remove it, and log in again`);
  return stored;
};

const write = (folder: string, path: string, stored: StoredTokens): void => {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const fresh = `${path}.${process.pid}`;
    writeFileSync(fresh, `${JSON.stringify(stored, null, 2)}\n`, { mode: 0o600 });
    renameSync(fresh, path);
  } catch (error) {
    throw new CliError(`cannot write ${path}: ${messageOf(error)}`);
  }
};

export const openCredentials = (folder: string) => {
  const path = join(folder, 'credentials.json');
  return {
    path,
    /** @throws CliError when the file is damaged, or others may read it */
    get: (server: string): string | undefined => {
      const stored = read(path);
      return Object.hasOwn(stored, keyOf(server)) ? stored[keyOf(server)]?.token : undefined;
    },
    set: (server: string, token: string): void => write(folder, path, { ...read(path), [keyOf(server)]: { token } }),
    /** @returns whether there was one */
    remove: (server: string): boolean => {
      const { [keyOf(server)]: removed, ...rest } = read(path);
      if (removed === undefined) return false;
      write(folder, path, rest);
      return true;
    },
  };
};

/** Tokens by server: one that was given to a hub is never shown to another. */
export type CredentialFile = ReturnType<typeof openCredentials>;
