import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { commandLineOf } from '../command-line.ts';
import type { ListedKind } from '../commands/get.ts';
import { type Context, createContext, type GlobalOptions } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';
import { FORMATS } from '../render/output.ts';

/** Arguments, options and error handling shared by commands. */

/** Formats examples for the end of a help text. @param lines commands without `fso` */
export const examples = (...lines: string[]): string => `\nExamples:\n${lines.map((line) => `  $ fso ${line}\n`).join('')}`;

/** Creates the option `-o` of commands that print rows. */
export const outputOption = (): Option => new Option('-o, --output <format>', 'output format').choices(FORMATS).default('table');
/** Creates the option `-o` of commands that print text. */
export const textOrJsonOption = (): Option =>
  new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text');

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Parses a duration such as `60s` or `5m`, up to a day. @returns milliseconds */
export const parseDuration = (text: string): number => {
  const [, count, unit] = /^(\d{1,6})(ms|s|m|h)$/.exec(text) ?? [];
  const size = UNITS[unit ?? ''];
  if (count === undefined || size === undefined || Number(count) === 0)
    throw new InvalidArgumentError('Must be a number and a unit, such as 60s or 5m.');
  return Math.min(Number(count) * size, 86_400_000);
};

/** Parses a number of items. @throws InvalidArgumentError unless it is 1 to 500 */
export const parseLimit = (text: string): number => {
  if (/^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 500) return Number(text);
  throw new InvalidArgumentError('Must be 1 to 500.');
};

/** Parses the name of a cluster. In a URL an invalid name could be another path. */
export const parseName = (name: string): string => {
  if (/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name)) return name;
  throw new InvalidArgumentError('Must be a lowercase RFC 1123 subdomain, as the name of a ManagedCluster.');
};

/** Collects the values of an option that may be repeated. */
export const gather = (value: string, before: readonly string[]): string[] => [...before, value];

/**
 * Kinds of objects, each with the alternative names that kubectl would accept: singular and short
 * ones.
 */
const NAMES = {
  policies: ['policy', 'pol', 'sp', 'sovereignpolicy', 'sovereignpolicies'],
  clusters: ['cluster', 'managedcluster', 'managedclusters'],
  violations: ['violation'],
  risks: ['risk'],
  denials: ['denial'],
  events: ['event', 'ev'],
  commits: ['commit'],
  issues: ['issue'],
  plans: ['plan'],
  branches: ['branch'],
} as const satisfies Readonly<Record<ListedKind, readonly string[]>>;

const KINDS = Object.keys(NAMES) as readonly ListedKind[];

const findKind = (text: string): ListedKind | undefined => {
  const name = text.toLowerCase();
  return KINDS.find((kind) => kind === name || NAMES[kind].some((other) => other === name));
};

/** Lists kinds with their names: `policies (policy, pol, …), clusters (…)`. */
const listNames = (kinds: readonly ListedKind[]): string => kinds.map((kind) => `${kind} (${NAMES[kind].join(', ')})`).join(', ');

/** Creates the argument that names a kind. */
export const kindArgument = (description: string, kinds: readonly ListedKind[] = KINDS): Argument =>
  new Argument('<kind>', `${description} (also ${kinds.flatMap((kind) => NAMES[kind]).join(', ')})`)
    .choices(kinds)
    .argParser((text: string): ListedKind => {
      const kind = findKind(text);
      if (kind === undefined || !kinds.includes(kind)) throw new InvalidArgumentError(`Must be one of ${listNames(kinds)}.`);
      return kind;
    });

/**
 * Returns the status of a hub error, recognized by its shape: its class is in a module that only
 * commands with a hub load.
 */
const statusOf = (error: unknown): number | undefined =>
  error instanceof Error && 'status' in error && typeof error.status === 'number' ? error.status : undefined;

const ADVICE: Readonly<Record<number, (server: string) => string>> = {
  0: (server) => `no hub answers at ${server}. Name another with --server or FSO_SERVER.`,
  401: (server) => `the hub at ${server} needs a valid token. Pass one with --token-file or FSO_TOKEN, or sign in with fso login.`,
};

/**
 * Statuses of a negative result: the hub understood the request, but the object is missing or in
 * the wrong state.
 */
const NEGATIVE: ReadonlySet<number> = new Set([404, 409]);

/** Returns the message of the hub. */
const detailOf = (error: Error): string => {
  const problem: unknown = 'problem' in error ? error.problem : undefined;
  const detail: unknown = Reflect.get(Object(problem), 'detail');
  return typeof detail === 'string' ? ` It says: ${detail}` : '';
};

const toCliError = (error: unknown, server: string): CliError | undefined => {
  if (error instanceof CliError) return error;
  const status = statusOf(error);
  if (status === undefined || !(error instanceof Error)) return undefined;
  const advice = ADVICE[status]?.(server);
  const cause = error.cause instanceof Error && error.cause.cause instanceof Error ? ` (${error.cause.cause.message})` : '';
  return new CliError(
    advice === undefined ? error.message : advice + (status === 0 ? cause : detailOf(error)),
    NEGATIVE.has(status) ? EXIT.negative : EXIT.error,
  );
};

type Act = (context: Context, ...args: never[]) => unknown;

/**
 * Creates the action of a command. The loaded function gets the context, the arguments and the
 * options, and may return an exit code. Expected errors are printed as one line on stderr, with an
 * exit code.
 */
export const action =
  (load: () => Act | Promise<Act>) =>
  async (...args: unknown[]): Promise<void> => {
    const command = args.pop() as Command;
    const root = commandLineOf(command);
    const context = createContext(command.optsWithGlobals<GlobalOptions>(), root.io);
    try {
      const act = await load();
      const code = await act(context, ...(args as never[]));
      root.exitCode = typeof code === 'number' ? code : EXIT.ok;
    } catch (error) {
      const known = toCliError(error, context.server);
      if (known === undefined) throw error;
      context.progress(`fso: ${known.message}
`);
      root.exitCode = known.exitCode;
    }
  };
