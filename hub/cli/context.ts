import { readFileSync } from 'node:fs';
import { messageOf } from '@fso/shared/text';
import type { HubClient } from './client/api-client.ts';
import { type CredentialFile, openCredentials } from './client/credentials.ts';
import type { CliEnvironment } from './client/environment.ts';
import { CliError } from './errors.ts';
import type { Terminal } from './render/output.ts';
import { createPaint, printable } from './render/text.ts';

export interface GlobalOptions {
  readonly server?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly color: boolean;
}

/** Environment of a command: its output, its clock, and the hub that it calls. */
export interface Context extends Terminal {
  /** Whether a person sees the messages. */
  readonly interactive: boolean;
  readonly now: () => Date;
  readonly server: string;
  /** Tokens that `fso login` stores. */
  readonly credentials: CredentialFile;
  /** The token that was given for this call, by an option. */
  readonly givenToken: () => string | undefined;
  /**
   * Connects with this token, else the given one, else that of the environment, else the stored
   * one, else at the hub of this machine, where no other is named, its static token.
   */
  readonly connect: (token?: string) => Promise<HubClient>;
}

export const DEFAULT_SERVER = 'http://127.0.0.1:8080';

const readToken = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new CliError(`cannot read the token file ${file}: ${messageOf(error)}`);
  }
};

/** RFC 6750: what may stand in the header. */
const checkToken = (token: string | undefined): string | undefined => {
  if (token === undefined || /^[\x21-\x7e]+$/.test(token)) return token;
  throw new CliError('the API token is empty or has characters that no token has (spaces, line breaks, letters beyond ASCII)');
};

const checkServer = (server: string): string => {
  if (URL.canParse(server) && /^https?:$/.test(new URL(server).protocol)) return server;
  throw new CliError(`--server must be an http or https URL, such as ${DEFAULT_SERVER}; it is ${server}`);
};

export const createContext = (options: GlobalOptions, environment: CliEnvironment): Context => {
  const server = options.server ?? environment.server ?? DEFAULT_SERVER;
  const credentials = openCredentials(environment.configFolder);
  const ownToken = (): string | undefined => {
    const { hubToken } = environment;
    if (hubToken === undefined || server !== DEFAULT_SERVER) return undefined;
    return 'text' in hubToken ? hubToken.text : readToken(hubToken.file);
  };
  const givenToken = (): string | undefined =>
    options.token ?? (options.tokenFile === undefined ? undefined : readToken(options.tokenFile));
  const colors = options.color && !environment.noColor && process.stdout.isTTY === true;
  return {
    out: (text) => {
      process.stdout.write(text);
    },
    progress: (text) => {
      // It may quote the hub, and what the hub quotes.
      process.stderr.write(printable(text));
    },
    interactive: process.stderr.isTTY === true,
    paint: createPaint(colors),
    now: () => new Date(),
    server,
    credentials,
    givenToken,
    connect: async (chosen) => {
      const token = chosen ?? givenToken() ?? environment.token ?? credentials.get(checkServer(server)) ?? ownToken();
      // Loaded here: commands without a hub, and --help, start without the schemas.
      const { createHubClient } = await import('./client/api-client.ts');
      return createHubClient({ server: checkServer(server), token: checkToken(token) });
    },
  };
};
