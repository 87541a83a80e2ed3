import { type ParseArgsConfig, parseArgs } from 'node:util';
import { messageOf } from '@fso/shared/runtime';

type Options = NonNullable<ParseArgsConfig['options']>;
type Values<T extends Options> = ReturnType<typeof parseArgs<{ options: T }>>['values'];

/** Ends the process with status 2, for invalid arguments. */
export const refuseOptions = (usage: string, reason?: string): never => {
  if (reason !== undefined) console.error(reason);
  console.error(`usage: ${usage}`);
  process.exit(2);
};

/**
 * Reads the options of a command of this repository. `--help` prints the usage and ends the
 * process, as does an unknown option.
 */
export const readOptions = <T extends Options>(usage: string, options: T): Values<T> => {
  if (process.argv.includes('--help') || process.argv.includes('-h')) {
    console.log(`usage: ${usage}`);
    process.exit(0);
  }
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return refuseOptions(usage, messageOf(error));
  }
};
