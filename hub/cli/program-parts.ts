import { type Command, InvalidArgumentError, Option } from 'commander';
import { readEnvironment } from './client/environment.ts';
import { type Context, createContext, type GlobalOptions } from './context.ts';

/** What the descriptions of commands share. */

const FORMATS = ['table', 'wide', 'json', 'yaml'];

export const examples = (...lines: string[]): string => `\nExamples:\n${lines.map((line) => `  $ fso ${line}\n`).join('')}`;

export const outputOption = (): Option => new Option('-o, --output <format>', 'how to show it').choices(FORMATS).default('table');

export const contextOf = (command: Command): Context => createContext(command.optsWithGlobals<GlobalOptions>(), readEnvironment());

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `60s`, `5m`; at most a day. @returns ms */
export const parseDuration = (text: string): number => {
  const [, count, unit] = /^(\d{1,6})(ms|s|m|h)$/.exec(text) ?? [];
  const size = UNITS[unit ?? ''];
  if (count === undefined || size === undefined || Number(count) === 0)
    throw new InvalidArgumentError('Must be a number and a unit, such as 60s or 5m.');
  return Math.min(Number(count) * size, 86_400_000);
};
