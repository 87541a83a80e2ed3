import { execFile } from 'node:child_process';
import { type Clock, secretText } from '@fso/shared/runtime';
import { z } from 'zod';
import type { AuthCommand, GitCredentials } from '../types.ts';
import { GitTransportError } from './git-errors.ts';

/** Credentials for the header Authorization of each request to the Git server. */
export interface GitAuth {
  /** @throws GitTransportError, whose text holds nothing that a command printed */
  header(signal: AbortSignal): Promise<string | undefined>;
  /** Forgets credentials that the server has refused, so that the next request gets new ones. */
  refused(): void;
}

const basic = (username: string, password: string): string => `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

const COMMAND_TIMEOUT_MS = 15_000;
const MAX_OUTPUT_BYTES = 64 * 1024;
/** Time for which a header without an expiry is used, in milliseconds. */
const KEPT_MS = 300_000;
/** Time before its expiry at which a header is renewed, in milliseconds, so that none expires. */
const MARGIN_MS = 60_000;

/** Text that is allowed in a header; nothing else gets into one. */
const Printable = z
  .string()
  .regex(/^[\x21-\x7e]+( [\x21-\x7e]+)*$/)
  .max(16_384);
const Printed = z
  .object({ header: Printable.optional(), token: Printable.optional(), expiresAt: z.iso.datetime({ offset: true }).optional() })
  .refine(({ header, token }) => (header === undefined) !== (token === undefined));
type Printed = z.infer<typeof Printed>;

/** Parses a line: with a space it is a header (`Bearer …`), without one it is a token. */
const parseLine = (line: string): Printed => Printed.parse(line.includes(' ') ? { header: line } : { token: line });

const parseOutput = (text: string): Printed => {
  const trimmed = text.trim();
  return trimmed.startsWith('{') ? Printed.parse(JSON.parse(trimmed)) : parseLine(trimmed);
};

/** User name for tokens: GitHub requires it for installation tokens, and others accept any. */
const TOKEN_USER = 'x-access-token';

const describeFailure = (error: { code?: unknown; signal?: unknown; killed?: boolean }): string => {
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return `printed more than ${MAX_OUTPUT_BYTES} bytes`;
  if (error.killed === true || error.signal === 'SIGKILL') return `took longer than ${COMMAND_TIMEOUT_MS / 1000} s`;
  if (typeof error.code === 'string') return `could not be started (${error.code})`;
  return `ended with ${String(error.code ?? error.signal)}`;
};

const fail = (what: string): GitTransportError => new GitTransportError(`the command of FSO_GIT_AUTH_COMMAND ${what}`);

/**
 * Runs a command without a shell. Both of its outputs may hold secrets, so neither is in an error.
 */
const run = ({ argv, env }: AuthCommand, timeoutMs: number, signal: AbortSignal): Promise<string> =>
  new Promise((resolve, reject) => {
    const [program = '', ...args] = argv;
    const options = { env: { ...env }, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_BYTES, signal } as const;
    const child = execFile(program, args, options, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(signal.aborted ? signal.reason : fail(describeFailure(error)));
    });
    child.stdin?.end();
  });

const createCommandAuth = (command: AuthCommand, clock: Clock, timeoutMs: number): GitAuth => {
  let kept: { header: string; until: number } | undefined;
  return {
    header: async (signal) => {
      if (kept !== undefined && clock.now().getTime() < kept.until) return kept.header;
      const text = await run(command, timeoutMs, signal);
      let printed: Printed;
      try {
        printed = parseOutput(text);
      } catch {
        throw fail('did not print a header, a token, or JSON with one of them (docs/operate/policy-repository.md)');
      }
      const header = printed.header ?? basic(TOKEN_USER, printed.token ?? '');
      const until = printed.expiresAt === undefined ? clock.now().getTime() + KEPT_MS : Date.parse(printed.expiresAt) - MARGIN_MS;
      kept = { header, until };
      return header;
    },
    refused: () => {
      kept = undefined;
    },
  };
};

/** Credentials for the Git server, or the command that prints them. */
export interface GitAuthOptions {
  readonly credentials?: GitCredentials | undefined;
  readonly authCommand?: AuthCommand | undefined;
  /** Ends a command that takes longer. Default 15 s. */
  readonly commandTimeoutMs?: number;
}

/** Creates the credentials for the Git server: given, printed by a command, or none. */
export const createGitAuth = ({ credentials, authCommand, commandTimeoutMs }: GitAuthOptions, clock: Clock): GitAuth => {
  if (authCommand !== undefined) return createCommandAuth(authCommand, clock, commandTimeoutMs ?? COMMAND_TIMEOUT_MS);
  return {
    header: async () => credentials && basic(credentials.username, secretText(credentials.password)),
    refused: () => undefined,
  };
};
