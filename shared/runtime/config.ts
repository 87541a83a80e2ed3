import type { z } from 'zod';

/** A program was started with an environment that it cannot run with. The message is for people, one line a variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`Invalid configuration:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** An empty variable is an absent one: charts and compose files write `X=` for "not set". */
const withoutEmpty = (env: Environment): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''));

const expectation = (schema: z.ZodObject, variable: string): string => {
  const description = schema.shape[variable]?.description;
  return description === undefined ? '' : ` (expected: ${description})`;
};

/** Values stay out of the text: a variable may hold a token. */
const describe = (schema: z.ZodObject, env: Record<string, string>, issue: z.core.$ZodIssue): string => {
  const variable = String(issue.path[0] ?? '');
  if (variable === '') return issue.message;
  const problem = issue.code === 'invalid_type' && env[variable] === undefined ? 'is not set' : issue.message;
  return `${variable}: ${problem}${expectation(schema, variable)}`;
};

/**
 * Reads a program's environment once. Keys of the schema are variable names; their descriptions say what is expected.
 *
 * @param found problems that are known already: told with these when there are any; alone they are the caller's to throw
 * @throws ConfigError with every problem together.
 */
export const parseConfig = <S extends z.ZodObject>(schema: S, env: Environment, found: readonly string[] = []): z.output<S> => {
  const given = withoutEmpty(env);
  const known = Object.fromEntries(Object.entries(given).filter(([variable]) => variable in schema.shape));
  const result = schema.safeParse(known);
  if (result.success) return result.data;
  throw new ConfigError([...found, ...result.error.issues.map((issue) => describe(schema, given, issue))]);
};
