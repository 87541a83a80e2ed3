import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '@fso/shared/text';
import type { HubClient } from './client/api-client.ts';
import { readEnvironment } from './client/environment.ts';
import type { Io } from './command-line.ts';
import { CliError } from './errors.ts';
import type { Terminal } from './render/output.ts';
import { createPaint, printable } from './render/text.ts';

type StoredTokens = Readonly<Record<string, { readonly token: string }>>;

const OTHERS = 0o077;

/** Normalizes the URL of a server. */
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

const openCredentials = (folder: string) => {
  const path = join(folder, 'credentials.json');
  return {
    path,
    /** @throws CliError if the file is damaged, or other users may read it */
    get: (server: string): string | undefined => {
      const stored = read(path);
      return Object.hasOwn(stored, keyOf(server)) ? stored[keyOf(server)]?.token : undefined;
    },
    set: (server: string, token: string): void => write(folder, path, { ...read(path), [keyOf(server)]: { token } }),
    /** @returns whether a token was stored */
    remove: (server: string): boolean => {
      const { [keyOf(server)]: removed, ...rest } = read(path);
      if (removed === undefined) return false;
      write(folder, path, rest);
      return true;
    },
  };
};

/** Stored tokens by server. A token is only sent to the server for which it was stored. */
type CredentialFile = ReturnType<typeof openCredentials>;

/** Options of every command. */
export interface GlobalOptions {
  readonly server?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly color: boolean;
}

/** Environment of a command: its output, its clock, and the hub that it calls. */
export interface Context extends Terminal {
  readonly io: Io;
  /** Whether the messages appear on a terminal. */
  readonly interactive: boolean;
  readonly now: () => Date;
  readonly server: string;
  /**
   * Whether an option or the environment names the hub. Otherwise it is the one of this machine.
   */
  readonly isServerNamed: boolean;
  /** Tokens stored by `fso login`. */
  readonly credentials: CredentialFile;
  /** Returns the token that was given for this call by an option. */
  readonly givenToken: () => string | undefined;
  /**
   * Connects with the first of: this token, the given one, that of the environment, the stored one,
   * and, if no hub is named, the static token of the hub of this machine.
   */
  readonly connect: (token?: string) => Promise<HubClient>;
}

/** Address of the hub if neither `--server` nor `FSO_SERVER` is set. */
export const DEFAULT_SERVER = 'http://127.0.0.1:8080';

const readToken = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new CliError(`cannot read the token file ${file}: ${messageOf(error)}`);
  }
};

/** Checks that a token may be sent in the header (RFC 6750). */
const checkToken = (token: string | undefined): string | undefined => {
  if (token === undefined || /^[\x21-\x7e]+$/.test(token)) return token;
  throw new CliError('the API token is empty or has characters that no token has (spaces, line breaks, letters beyond ASCII)');
};

const checkServer = (server: string): string => {
  if (URL.canParse(server) && /^https?:$/.test(new URL(server).protocol)) return server;
  throw new CliError(`--server must be an http or https URL, such as ${DEFAULT_SERVER}; it is ${server}`);
};

/** Creates the environment of a command: terminal, hub and credentials. Connects on demand. */
export const createContext = (options: GlobalOptions, io: Io): Context => {
  const environment = readEnvironment(io.env);
  const named = options.server ?? environment.server;
  const server = named ?? DEFAULT_SERVER;
  const credentials = openCredentials(environment.configFolder);
  const ownToken = (): string | undefined => {
    const { hubToken } = environment;
    if (hubToken === undefined || server !== DEFAULT_SERVER) return undefined;
    return 'text' in hubToken ? hubToken.text : readToken(hubToken.file);
  };
  const givenToken = (): string | undefined =>
    options.token ?? (options.tokenFile === undefined ? undefined : readToken(options.tokenFile));
  const colors = options.color && !environment.noColor && io.stdout.isTTY === true;
  return {
    io,
    out: (text) => {
      io.stdout.write(text);
    },
    progress: (text) => {
      // The message may quote the hub, whose texts are not trusted.
      io.stderr.write(printable(text));
    },
    interactive: io.stderr.isTTY === true,
    paint: createPaint(colors),
    now: () => new Date(),
    server,
    isServerNamed: named !== undefined,
    credentials,
    givenToken,
    connect: async (chosen) => {
      const token = chosen ?? givenToken() ?? environment.token ?? credentials.get(checkServer(server)) ?? ownToken();
      // Loaded on demand: commands without a hub, and --help, start without the schemas.
      const { createHubClient } = await import('./client/api-client.ts');
      return createHubClient({ server: checkServer(server), token: checkToken(token) });
    },
  };
};
