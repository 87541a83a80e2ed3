import { type ParseArgsConfig, parseArgs } from 'node:util';

/** Invalid option of a benchmark, with the expected values. */
export class UsageError extends Error {}

/** Whether an error is about the options of a benchmark. For some, Node.js reports it. */
export const isUsageError = (error: unknown): error is Error =>
  error instanceof UsageError || (error instanceof Error && String(Reflect.get(error, 'code')).startsWith('ERR_PARSE_ARGS'));

type Options = NonNullable<ParseArgsConfig['options']>;
type Values<T extends Options> = ReturnType<typeof parseArgs<{ args: string[]; options: T }>>['values'];

/**
 * Reads the options of a benchmark.
 *
 * @throws UsageError if an option is unknown or lacks a value
 */
export const readOptions = <T extends Options>(args: string[], options: T): Values<T> => {
  try {
    return parseArgs({ args, options }).values as Values<T>;
  } catch (error) {
    const known = Object.keys(options)
      .map((name) => `--${name}`)
      .join(', ');
    throw new UsageError(`${error instanceof Error ? error.message.split('. To specify')[0] : String(error)}; there are: ${known}`);
  }
};

/** Reads a whole number. @throws UsageError if the text is not one, or is less than `min` */
export const readCount = (name: string, text: string, min = 1): number => {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < min) throw new UsageError(`--${name} ${text}: must be a whole number of at least ${min}`);
  return count;
};

/**
 * Reads a share, such as `0.1` or `10%`. @returns from 0 to 1 @throws UsageError if the text is
 * none
 */
export const readShare = (name: string, text: string): number => {
  const [, digits = '', percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  const share = digits === '' ? Number.NaN : Number(digits) / (percent === '%' ? 100 : 1);
  if (!(share >= 0 && share <= 1)) throw new UsageError(`--${name} ${text}: must be a share such as 10% or 0.1`);
  return share;
};

/** Reads one of several words. @throws UsageError if the text is none of them */
export const readChoice = <T extends string>(name: string, text: string, choices: readonly T[]): T => {
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw new UsageError(`--${name} ${text}: must be one of ${choices.join(', ')}`);
  return found;
};

/**
 * Reads whole numbers separated by commas, and sorts them. @throws UsageError if the text is
 * invalid
 */
export const readCounts = (name: string, text: string): readonly number[] =>
  [...new Set(text.split(',').map((part) => readCount(name, part.trim())))].sort((a, b) => a - b);
