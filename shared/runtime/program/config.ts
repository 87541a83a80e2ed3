import { readFile } from 'node:fs/promises';
import type { z } from 'zod';

/**
 * Error for an environment that a program cannot run with. The message is for people, one line per
 * variable.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`Invalid configuration:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** Environment variables by name, as in process.env. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Drops empty variables: charts and compose files write `X=` for "not set". */
const withoutEmpty = (env: Environment): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''));

/** First sentence of the description, without its full stop. */
const expectation = (schema: z.ZodObject, variable: string): string => {
  const description = schema.shape[variable]?.description;
  return description === undefined ? '' : ` (expected: ${description.split(/\.(?: |$)/, 1)[0]})`;
};

/** Describes an issue without the value, as a variable may contain a token. */
const describe = (schema: z.ZodObject, env: Record<string, string>, issue: z.core.$ZodIssue): string => {
  const variable = String(issue.path[0] ?? '');
  if (variable === '') return issue.message;
  const problem = issue.code === 'invalid_type' && env[variable] === undefined ? 'is not set' : issue.message;
  return `${variable}: ${problem}${expectation(schema, variable)}`;
};

/**
 * Parses a program's environment. Keys of the schema are variable names; their descriptions explain
 * what is expected.
 *
 * @param found problems that are already known; they are reported with those found here, but alone
 * do not throw
 * @throws ConfigError with all problems
 */
export const parseConfig = <S extends z.ZodObject>(schema: S, env: Environment, found: readonly string[] = []): z.output<S> => {
  const given = withoutEmpty(env);
  const known = Object.fromEntries(Object.entries(given).filter(([variable]) => variable in schema.shape));
  const result = schema.safeParse(known);
  if (result.success) return result.data;
  throw new ConfigError([...found, ...result.error.issues.map((issue) => describe(schema, given, issue))]);
};

/** Variable of a program's environment, for help text and documentation. */
export interface Setting {
  readonly name: string;
  readonly isNeeded: boolean;
  /**
   * Default in words. undefined: an absent variable switches something off, or the variable is
   * required.
   */
  readonly fallback: string | undefined;
  /** Whether `<name>_FILE` may name a file with the value instead. */
  readonly isSecret: boolean;
  readonly description: string;
}

/** Metadata of a variable's schema in its `.meta()`, in addition to the description. */
interface SettingMeta {
  readonly fallback?: string;
  readonly secret?: boolean;
}

const describeSetting = ([name, schema]: [string, z.core.$ZodType]): Setting => {
  const variable = schema as z.ZodType;
  const { fallback, secret = false } = (variable.meta() ?? {}) as SettingMeta;
  const { def } = schema._zod;
  const value = def.type === 'default' || def.type === 'prefault' ? (def as z.core.$ZodDefaultDef).defaultValue : undefined;
  return {
    name,
    isNeeded: !variable.safeParse(undefined).success,
    fallback: fallback ?? (value === undefined ? undefined : String(value)),
    isSecret: secret,
    description: variable.description ?? '',
  };
};

/**
 * Lists the variables of a schema in its order. A default that the schema cannot express is its
 * meta `fallback`; meta `secret` marks a value that may be in a file.
 */
export const listSettings = (schema: z.ZodObject): readonly Setting[] => Object.entries(schema.shape).map(describeSetting);

const NAME_WIDTH = 32;
const LINE_WIDTH = 100;

const wrapText = (text: string, width: number): readonly string[] => {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
};

/** Formats the settings for `--help`: 100 columns, the description beside the name. */
export const formatSettings = (settings: readonly Setting[]): string =>
  settings
    .flatMap(({ name, isNeeded, fallback, isSecret, description }) => {
      const text = [
        description,
        ...(isNeeded ? ['Needed.'] : []),
        ...(fallback === undefined ? [] : [`Default: ${fallback}.`]),
        ...(isSecret ? [`A file instead: ${name}_FILE.`] : []),
      ].join(' ');
      const lines = wrapText(text, LINE_WIDTH - NAME_WIDTH - 2);
      return lines.map((line, index) => `  ${(index === 0 ? name : '').padEnd(NAME_WIDTH)}${line}`);
    })
    .join('\n');

/** Descriptions of all problems of an environment, collected to be reported together. */
export type ProblemTexts = string[];

/**
 * Reads the file of a setting.
 *
 * @returns text of the file; undefined if there is a problem, which is added to `problems`
 */
export const readText = async (variable: string, path: string, problems: ProblemTexts): Promise<string | undefined> => {
  try {
    const text = await readFile(path, 'utf8');
    if (text.trim() !== '') return text;
    problems.push(`${variable}: ${path} is empty`);
  } catch (error) {
    problems.push(`${variable}: ${path} cannot be read (${String(Reflect.get(Object(error), 'code'))})`);
  }
  return undefined;
};
