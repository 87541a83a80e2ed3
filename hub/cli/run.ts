import type { Context } from './context.ts';
import { CliError, EXIT } from './errors.ts';

/** An error of the hub's, by its shape: the class lives in a module that is only loaded when a hub is asked. */
const statusOf = (error: unknown): number | undefined =>
  error instanceof Error && 'status' in error && typeof error.status === 'number' ? error.status : undefined;

const HELP: Readonly<Record<number, (server: string) => string>> = {
  0: (server) => `no hub answers at ${server}. Start one with "fso serve", or name another with --server or FSO_SERVER.`,
  401: (server) =>
    `the hub at ${server} wants a token, and not the one that was given, if any. Give it with --token-file or FSO_TOKEN, or log in with fso login.`,
};

/** Statuses of a question that was asked and understood, and whose answer is no. */
const NO: ReadonlySet<number> = new Set([404, 409]);

/** What the hub itself says of it. */
const detailOf = (error: Error): string => {
  const problem: unknown = 'problem' in error ? error.problem : undefined;
  const detail: unknown = Reflect.get(Object(problem), 'detail');
  return typeof detail === 'string' ? ` It says: ${detail}` : '';
};

const toCliError = (error: unknown, server: string): CliError | undefined => {
  if (error instanceof CliError) return error;
  const status = statusOf(error);
  if (status === undefined || !(error instanceof Error)) return undefined;
  const help = HELP[status]?.(server);
  const cause = error.cause instanceof Error && error.cause.cause instanceof Error ? ` (${error.cause.cause.message})` : '';
  return new CliError(
    help === undefined ? error.message : help + (status === 0 ? cause : detailOf(error)),
    NO.has(status) ? EXIT.no : EXIT.usage,
  );
};

/** Runs a command; expected errors end as one line on stderr and an exit code. */
export const runCommand = async (context: Context, command: () => Promise<number | undefined> | Promise<void>): Promise<void> => {
  try {
    const code = await command();
    process.exitCode = typeof code === 'number' ? code : EXIT.ok;
  } catch (error) {
    const known = toCliError(error, context.server);
    if (known === undefined) throw error;
    context.progress(`fso: ${known.message}\n`);
    process.exitCode = known.exitCode;
  }
};
